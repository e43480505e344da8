"""Files come from a hub whole, however often the line breaks; real HTTP on loopback."""

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from huggingface_hub import constants

from autoresearch_kit.errors import CorpusError
from autoresearch_kit.tasks.lm import hub
from tests.campaign.test_disk import in_namespace
from tests.tasks.lm.hub_server import Fault, HubServer

REPOSITORY, NAME = "karpathy/climbmix-400b-shuffle", "shard_00000.parquet"
DATA = random.Random(0).randbytes(3_000_000)
CHUNK = 100_000
BROKEN = [Fault(cut=0)] * 9
"""More cuts than there are tries."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", CHUNK)
    with HubServer({NAME: DATA}) as hub_server:
        monkeypatch.setenv("HF_ENDPOINT", hub_server.url + "/")
        yield hub_server


def fetch(folder: Path) -> bytes:
    hub.fetch(hub.look(REPOSITORY, NAME), folder / NAME, hub.NoBar)
    return (folder / NAME).read_bytes()


def test_a_file_arrives_and_leaves_nothing_else(server: HubServer, tmp_path: Path) -> None:
    assert fetch(tmp_path) == DATA
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_after_a_cut_only_the_rest_is_sent(server: HubServer, tmp_path: Path) -> None:
    server.sent = [Fault(cut=2_500_000)] + [Fault(cut=0)] * 3
    assert fetch(tmp_path) == DATA
    assert server.ranges == ["", *["bytes=2500000-"] * 4]


def test_retries_end_and_a_later_call_goes_on(server: HubServer, tmp_path: Path) -> None:
    server.sent = [Fault(cut=2_000_000), *BROKEN]
    with pytest.raises(CorpusError, match=r"can't reach http://127.* for karpathy/climbmix"):
        fetch(tmp_path)
    assert len(server.ranges) < len(BROKEN)
    server.sent.clear()
    assert fetch(tmp_path) == DATA
    assert server.ranges[-1] == "bytes=2000000-"


def test_a_later_call_mends_a_refused_download(server: HubServer, tmp_path: Path) -> None:
    server.sent = [Fault(500)]
    with pytest.raises(CorpusError, match=r"answers 500 .*; repeat this when you are online"):
        fetch(tmp_path)
    assert fetch(tmp_path) == DATA


def test_a_reset_line_is_mended_by_the_next_call(server: HubServer, tmp_path: Path) -> None:
    server.sent = [Fault(cut=2_500_000, reset=True)]
    with suppress(CorpusError):  # raised or retried, depending on when the reset is noticed
        fetch(tmp_path)
    assert fetch(tmp_path) == DATA


def test_a_server_without_ranges_sends_all_again(server: HubServer, tmp_path: Path) -> None:
    server.sent = [Fault(cut=2_000_000), Fault(whole=True)]
    assert fetch(tmp_path) == DATA


def test_a_busy_hub_is_asked_again(server: HubServer, tmp_path: Path) -> None:
    busy = Fault(429, {"Retry-After": "0"})
    server.asked, server.sent = [Fault(503), busy], [busy, busy]
    assert fetch(tmp_path) == DATA


def test_a_busy_hub_is_not_asked_for_ever(server: HubServer) -> None:
    server.asked = [Fault(500)] * 30
    with pytest.raises(CorpusError, match=r"answers 500 for karpathy/climbmix.*; repeat this when"):
        hub.look(REPOSITORY, NAME)
    assert len(server.requests) < 10


def test_a_damaged_file_is_refused_and_removed(server: HubServer, tmp_path: Path) -> None:
    server.sent = [Fault(damaged=True)]
    with pytest.raises(CorpusError, match=rf"{NAME} arrived damaged from .*: its SHA-256 is \w+"):
        fetch(tmp_path)
    assert not list(tmp_path.iterdir())


def test_another_version_does_not_go_on_with_the_old_part(
    server: HubServer, tmp_path: Path
) -> None:
    server.sent = [Fault(cut=2_000_000), *BROKEN]
    with pytest.raises(CorpusError):
        fetch(tmp_path)
    server.files[NAME], server.sent = b"another version", []
    assert fetch(tmp_path) == b"another version"
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_offline_is_one_line_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with HubServer({}) as gone:
        monkeypatch.setenv("HF_ENDPOINT", gone.url)
    with pytest.raises(CorpusError) as said:
        hub.look(REPOSITORY, NAME)
    message = str(said.value)
    assert message.startswith(f"can't reach {gone.url} for {REPOSITORY} (")
    assert "mirror of the hub in HF_ENDPOINT; or take a corpus that needs no network: " in message
    assert "\n" not in message


def test_an_unknown_file_is_named(server: HubServer) -> None:
    with pytest.raises(CorpusError, match=r"answers 404 for .*; is HF_ENDPOINT a hub"):
        hub.look(REPOSITORY, "shard_99999.parquet")


def test_a_hub_that_tells_no_checksum_is_refused(server: HubServer) -> None:
    server.tells_sha = False
    with pytest.raises(CorpusError, match="tells no size and SHA-256 of"):
        hub.look(REPOSITORY, NAME)


KILLED = f"""
import sys
from pathlib import Path
from huggingface_hub import constants
from autoresearch_kit.tasks.lm import hub
constants.DOWNLOAD_CHUNK_SIZE = {CHUNK}
class Printed(hub.NoBar):
    def update(self, size):
        print(size, flush=True)
file = hub.look(*sys.argv[1:3])
hub.fetch(file, Path(sys.argv[3], file.name), Printed)
"""


def test_a_killed_download_goes_on(server: HubServer, tmp_path: Path) -> None:
    server.sent = [Fault(cut=2_000_000, held=True)]
    argv = [sys.executable, "-c", KILLED, REPOSITORY, NAME, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        arrived = 0
        while arrived < 1_900_000:
            arrived += int(process.stdout.readline())
        process.kill()
    assert fetch(tmp_path) == DATA
    assert int(server.ranges[-1].removeprefix("bytes=").removesuffix("-")) > 1_700_000


FULL = """
import errno, os, subprocess, sys
from pathlib import Path
from huggingface_hub import constants
from autoresearch_kit.tasks.lm import hub
from tests.tasks.lm.hub_server import HubServer
constants.DOWNLOAD_CHUNK_SIZE = 100_000
disk, data = Path(sys.argv[1]), bytes(range(250)) * 12_000
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", disk], check=True)
filler = (disk / "filler").open("wb", buffering=0)
class Filler(hub.NoBar):
    def update(self, size):
        try:
            while filler.write(bytes(65536)):
                pass
        except OSError:
            pass
with HubServer({"shard": data}) as server:
    os.environ["HF_ENDPOINT"] = server.url
    file = hub.look("someone/text", "shard")
    try:
        hub.fetch(file, disk / "shard", Filler)
    except OSError as error:
        print(errno.errorcode[error.errno])
    filler.truncate(0)
    hub.fetch(file, disk / "shard", hub.NoBar)
    print((disk / "shard").read_bytes() == data)
"""


def test_a_full_disk_is_told_and_the_download_goes_on(tmp_path: Path) -> None:
    assert in_namespace(FULL, tmp_path) == ["ENOSPC", "True"]
