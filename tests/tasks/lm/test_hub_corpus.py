"""Corpora from the hub, prepared from a loopback one with real parquet files."""

import io
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autoresearch_kit.errors import CorpusError, InputError
from autoresearch_kit.tasks.lm.corpora import find, sizes_of
from autoresearch_kit.tasks.lm.dataset import open_dataset
from autoresearch_kit.tasks.lm.hub_corpus import STORIES, climbmix, tinystories
from autoresearch_kit.tasks.lm.prepare import main, prepare
from autoresearch_kit.tasks.lm.splits import Sizes, Split
from tests.tasks.lm.hub_server import Fault, HubServer

SMALL = Sizes(vocab_size=300, context=32, eval_rows=16)
SHARDS = [f"shard_{number:05d}.parquet" for number in (0, 1, 2, 6541, 6542)]
AUTORESEARCH = [sys.executable, "-c", "from autoresearch_kit.ui import cli; cli.main()"]


def parquet(texts: Sequence[str], rows: int = 64) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"text": texts}), file, row_group_size=rows)
    return file.getvalue()


@pytest.fixture(scope="session")
def shards(prose: str) -> dict[str, bytes]:
    """Five files of climbmix, each with a text that says which it is."""
    lines = prose.splitlines()
    draws = {name: random.Random(name).sample(lines, 1_900) for name in SHARDS}
    return {name: parquet([name, *map("\n".join, batched(draws[name]))]) for name in SHARDS}


def batched(lines: Sequence[str], size: int = 8) -> Iterator[Sequence[str]]:
    return (lines[start : start + size] for start in range(0, len(lines), size))


@pytest.fixture
def server(shards: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer(shards) as hub_server:
        monkeypatch.setenv("HF_ENDPOINT", hub_server.url)
        yield hub_server


def test_climbmix_is_upstreams(home: Path) -> None:
    assert sizes_of("climbmix") == Sizes(8_192, 2_048, 10_240)
    files = {split: [piece.file for piece in climbmix(home).pieces[split]] for split in Split}
    assert files[Split.TRAIN] == [f"shard_0000{number}.parquet" for number in range(10)]
    assert files[Split.VAL] == ["shard_06542.parquet"]


def test_each_split_comes_from_its_files(home: Path, server: HubServer) -> None:
    prepare("climbmix", SMALL, shards=2)
    corpus = climbmix(home, 2)
    firsts = {split: next(corpus.documents(split)) for split in Split}
    assert firsts == {Split.TRAIN: SHARDS[0], Split.VAL: SHARDS[4], Split.AUDIT: SHARDS[3]}
    assert SHARDS[1] in corpus.documents(Split.TRAIN)
    assert SHARDS[2] not in server.fetched


def test_more_shards_fetch_only_what_is_missing(home: Path, server: HubServer) -> None:
    one = prepare("climbmix", SMALL, shards=1)
    hidden = [Path(path) for path in one.hidden]
    assert [path.name for path in hidden] == [SHARDS[3], SHARDS[4]]
    assert all(path.is_file() and path.is_relative_to(home.resolve()) for path in hidden)
    server.requests.clear()
    assert prepare("climbmix", SMALL, shards=1) == prepare(one.name) == one
    assert not server.requests
    two = prepare("climbmix", SMALL, shards=2)
    assert server.fetched == [SHARDS[1]]
    assert (one.name, two.name) == ("climbmix-s1-v300-t32-e16", "climbmix-s2-v300-t32-e16")
    assert one.corpus != two.corpus


def test_an_interrupted_download_goes_on(home: Path, server: HubServer) -> None:
    server.sent = [Fault(), Fault(), Fault(404)]
    with pytest.raises(CorpusError, match="answers 404 for karpathy/climbmix-400b-shuffle"):
        prepare("climbmix", SMALL, shards=1)
    server.requests.clear()
    prepare("climbmix", SMALL, shards=1)
    assert len(server.fetched) == 1


def test_a_disk_without_room_is_told_before_anything_is_fetched(
    home: Path, server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1_000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(CorpusError, match=r"downloading climbmix-s1 takes \d+ MB, and 0 MB are"):
        prepare("climbmix", SMALL, shards=1)
    assert not server.fetched


def test_offline_is_one_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with HubServer({}) as gone:
        monkeypatch.setenv("HF_ENDPOINT", gone.url)
    assert main(["climbmix"]) == 1
    out = capfd.readouterr().out
    assert out.startswith(f"error: can't reach {gone.url} for karpathy/climbmix-400b-shuffle (")
    assert out.count("\n") == 1
    assert not list(home.glob("*/dataset.json"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PAR1 and no more", "can't read .*shard_00000.parquet"),
        (parquet([]).replace(b"text", b"body"), r"no text in a column 'text'; its columns: body"),
    ],
)
def test_a_file_that_is_no_text_is_named(
    home: Path, server: HubServer, data: bytes, message: str
) -> None:
    server.files[SHARDS[0]] = data
    with pytest.raises(CorpusError, match=message):
        prepare("climbmix", SMALL, shards=1)


@pytest.mark.parametrize("shards", [0, -1, 6_542])
def test_too_many_or_too_few_shards_are_refused(home: Path, shards: int) -> None:
    with pytest.raises(InputError, match=rf"--shards is {shards}: give 1 to 6,541"):
        prepare("climbmix", shards=shards)
    with pytest.raises(InputError, match="--shards is for climbmix; stdlib is prepared in whole"):
        prepare("stdlib", shards=2)


def test_stories_are_split_by_rows_as_their_page_has_it(home: Path) -> None:
    stories = [f"story {number}" for number in range(20_500)]
    corpus = tinystories(home)
    corpus.folder.mkdir(parents=True)
    (corpus.folder / STORIES).write_bytes(parquet(stories, rows=3_000))
    assert list(corpus.documents(Split.AUDIT)) == stories[:10_000]
    assert list(corpus.documents(Split.VAL)) == stories[10_000:20_000]
    assert list(corpus.documents(Split.TRAIN)) == stories[20_000:]
    assert corpus.hidden() == ((corpus.folder / STORIES).resolve(),)


def test_a_file_of_ones_own_may_have_the_name_of_a_corpus(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "climbmix").mkdir()
    assert find("./climbmix").name.startswith("climbmix-")
    assert find("climbmix").name == "climbmix"


@pytest.mark.slow
def test_the_command_prepares_climbmix_at_its_own_sizes(
    home: Path, server: HubServer, shards: dict[str, bytes]
) -> None:
    """At upstream's vocabulary and context; the line breaks once, and the hub is busy once."""
    server.asked, server.sent = [Fault(500)], [Fault(cut=5_000), Fault(429, {"Retry-After": "0"})]
    argv = [*AUTORESEARCH, "prepare", "climbmix", "--shards", "2"]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(home / "climbmix-s2")
    info = open_dataset(home / "climbmix-s2").info
    assert info.context == 2_048
    assert 8 <= info.eval_rows <= min(info.val_tokens, info.audit_tokens) // 2_048
    assert SHARDS[1] in done.stderr
