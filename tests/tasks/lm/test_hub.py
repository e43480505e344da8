"""Corpora come from a hub whole, however often the line breaks; real HTTP on loopback."""

import io
import random
import resource
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants

from autoresearch_kit.errors import CorpusError, InputError
from autoresearch_kit.tasks.lm import hub
from autoresearch_kit.tasks.lm.corpora import sizes_of
from autoresearch_kit.tasks.lm.prepare import main, prepare
from autoresearch_kit.tasks.lm.splits import Sizes, Split
from tests.tasks.lm.hub_server import Fault, HubServer

REPOSITORY, NAME = "karpathy/climbmix-400b-shuffle", "shard_00000.parquet"
DATA = random.Random(0).randbytes(3_000_000)
BROKEN = [Fault(cut=0)] * 9
"""More cuts than there are tries."""

SMALL = Sizes(vocab_size=300, context=32, eval_rows=16)
SHARDS = [f"shard_{number:05d}.parquet" for number in (0, 1, 2, 6541, 6542)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100_000)
    with HubServer({NAME: DATA}) as hub_server:
        monkeypatch.setenv("HF_ENDPOINT", hub_server.url + "/")
        yield hub_server


# Downloads of a file


def fetch(folder: Path) -> bytes:
    hub.fetch(hub.look(REPOSITORY, NAME), folder / NAME, hub.NoBar)
    return (folder / NAME).read_bytes()


def test_after_a_cut_only_the_rest_is_sent(server: HubServer, tmp_path: Path) -> None:
    server.sent = [Fault(cut=2_500_000)] + [Fault(cut=0)] * 3
    assert fetch(tmp_path) == DATA
    assert server.ranges == ["", *["bytes=2500000-"] * 4]
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_retries_end_and_a_later_call_goes_on(server: HubServer, tmp_path: Path) -> None:
    server.sent = [Fault(cut=2_000_000), *BROKEN]
    with pytest.raises(CorpusError, match=r"can't reach http://127.* for karpathy/climbmix"):
        fetch(tmp_path)
    assert len(server.ranges) < len(BROKEN)
    server.sent.clear()
    assert fetch(tmp_path) == DATA
    assert server.ranges[-1] == "bytes=2000000-"


def test_a_busy_hub_is_asked_again(server: HubServer, tmp_path: Path) -> None:
    busy = Fault(429, {"Retry-After": "0"})
    server.asked, server.sent = [Fault(503), busy], [busy, busy]
    assert fetch(tmp_path) == DATA


def test_a_busy_hub_is_not_asked_for_ever(server: HubServer) -> None:
    server.asked = [Fault(500)] * 30
    with pytest.raises(CorpusError, match=r"answers 500 for karpathy/climbmix.*; repeat this when"):
        hub.look(REPOSITORY, NAME)
    assert server.questions < 10


def test_a_damaged_file_is_refused_and_removed(server: HubServer, tmp_path: Path) -> None:
    server.sent = [Fault(damaged=True)]
    with pytest.raises(CorpusError, match=rf"{NAME} arrived damaged from .*: its SHA-256 is \w+"):
        fetch(tmp_path)
    assert not list(tmp_path.iterdir())


def test_another_version_replaces_the_old_part(server: HubServer, tmp_path: Path) -> None:
    server.sent = [Fault(cut=2_000_000), *BROKEN]
    with pytest.raises(CorpusError):
        fetch(tmp_path)
    server.files[NAME], server.sent = b"another version", []
    assert fetch(tmp_path) == b"another version"
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_hub_that_tells_no_checksum_is_refused(server: HubServer) -> None:
    server.tells_sha = False
    with pytest.raises(CorpusError, match="tells no size and SHA-256 of"):
        hub.look(REPOSITORY, NAME)


def test_after_a_full_disk_the_download_goes_on(server: HubServer, tmp_path: Path) -> None:
    """A limit on the size of files fails a write as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            fetch(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert fetch(tmp_path) == DATA
    assert server.ranges[-1] == "bytes=2000000-"


# Corpora


def parquet(texts: Sequence[str], rows: int = 64) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"text": texts}), file, row_group_size=rows)
    return file.getvalue()


@pytest.fixture(scope="session")
def shards(prose: str) -> dict[str, bytes]:
    """Return five files of climbmix, each with a text that says which it is."""
    lines = prose.splitlines()
    return {
        name: parquet([name, *(line * 8 for line in random.Random(name).sample(lines, 240))])
        for name in SHARDS
    }


@pytest.fixture
def climbmix(server: HubServer, shards: dict[str, bytes]) -> HubServer:
    server.files = dict(shards)
    return server


def test_climbmix_is_upstreams(home: Path) -> None:
    assert sizes_of("climbmix") == Sizes(8_192, 2_048, 10_240)
    files = {split: [p.file for p in hub.climbmix(home).pieces[split]] for split in Split}
    assert files[Split.TRAIN] == [f"shard_0000{number}.parquet" for number in range(10)]
    assert files[Split.VAL] == ["shard_06542.parquet"]


def test_each_split_comes_from_its_files(home: Path, climbmix: HubServer) -> None:
    prepare("climbmix", SMALL, shards=2)
    corpus = hub.climbmix(home, 2)
    firsts = {split: next(corpus.documents(split)) for split in Split}
    assert firsts == {Split.TRAIN: SHARDS[0], Split.VAL: SHARDS[4], Split.AUDIT: SHARDS[3]}
    assert SHARDS[1] in corpus.documents(Split.TRAIN)
    assert SHARDS[2] not in climbmix.fetched


def test_more_shards_fetch_only_what_is_missing(home: Path, climbmix: HubServer) -> None:
    smaller = prepare("climbmix", SMALL, shards=1)
    hidden = [Path(path) for path in smaller.hidden]
    assert [path.name for path in hidden] == [SHARDS[3], SHARDS[4]]
    assert all(path.is_file() and path.is_relative_to(home.resolve()) for path in hidden)
    climbmix.questions = 0
    climbmix.fetched.clear()
    assert prepare("climbmix", SMALL, shards=1) == prepare(smaller.name) == smaller
    assert climbmix.questions == 0
    larger = prepare("climbmix", SMALL, shards=2)
    assert climbmix.fetched == [SHARDS[1]]
    assert smaller.name == "climbmix-s1-v300-t32-e16"
    assert larger.name == "climbmix-s2-v300-t32-e16"
    assert smaller.corpus != larger.corpus


def test_an_interrupted_download_goes_on(home: Path, climbmix: HubServer) -> None:
    climbmix.sent = [Fault(), Fault(), Fault(404)]
    with pytest.raises(CorpusError, match=f"answers 404 for {REPOSITORY}.*; is HF_ENDPOINT a hub"):
        prepare("climbmix", SMALL, shards=1)
    climbmix.fetched.clear()
    prepare("climbmix", SMALL, shards=1)
    assert len(climbmix.fetched) == 1


def test_too_little_room_is_told_before_anything_is_fetched(
    home: Path, climbmix: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1_000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(CorpusError, match=r"downloading climbmix-s1 takes \d+ MB, and 0 MB are"):
        prepare("climbmix", SMALL, shards=1)
    assert not climbmix.fetched


def test_offline_is_one_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with HubServer({}) as gone:
        monkeypatch.setenv("HF_ENDPOINT", gone.url)
    assert main(["climbmix"]) == 1
    out = capfd.readouterr().out
    assert out.startswith(f"error: can't reach {gone.url} for {REPOSITORY} (")
    assert "mirror of the hub in HF_ENDPOINT; or take a corpus that needs no network: " in out
    assert out.count("\n") == 1
    assert not list(home.glob("*/dataset.json"))


@pytest.mark.parametrize("shards", [0, 6_542])
def test_too_many_or_too_few_shards_are_refused(home: Path, shards: int) -> None:
    with pytest.raises(InputError, match=rf"--shards is {shards}: give 1 to 6,541"):
        prepare("climbmix", shards=shards)
    with pytest.raises(InputError, match="--shards is for climbmix; stdlib is prepared in whole"):
        prepare("stdlib", shards=2)


def test_stories_are_split_by_rows_as_their_page_has_it(home: Path) -> None:
    stories = [f"story {number}" for number in range(20_500)]
    corpus = hub.tinystories(home)
    corpus.folder.mkdir(parents=True)
    (corpus.folder / hub.STORIES).write_bytes(parquet(stories, rows=3_000))
    assert list(corpus.documents(Split.AUDIT)) == stories[:10_000]
    assert list(corpus.documents(Split.VAL)) == stories[10_000:20_000]
    assert list(corpus.documents(Split.TRAIN)) == stories[20_000:]
    assert corpus.hidden() == ((corpus.folder / hub.STORIES).resolve(),)
