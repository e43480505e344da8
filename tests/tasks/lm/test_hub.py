"""Files come from a hub whole, however often the line breaks; real HTTP on loopback."""

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoresearch_kit.errors import CorpusError
from autoresearch_kit.tasks.lm import hub
from autoresearch_kit.tasks.lm.retry import Patience
from tests.campaign.test_disk import in_namespace
from tests.tasks.lm.hub_server import Fault, HubServer

REPOSITORY, NAME = "karpathy/climbmix-400b-shuffle", "shard_00000.parquet"
DATA = random.Random(0).randbytes(3_000_000)
AT_ONCE = Patience(tries=3, first=0.0, timeout=10.0)
WHOLE = "bytes=0-"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer({NAME: DATA}) as hub_server:
        monkeypatch.setenv("HF_ENDPOINT", hub_server.url + "/")
        yield hub_server


def fetch(folder: Path, told: list[int] | None = None) -> bytes:
    told = [] if told is None else told
    file = hub.look(REPOSITORY, NAME, AT_ONCE)
    hub.fetch(file, folder / NAME, told.append, AT_ONCE)
    assert sum(told) == file.size
    return (folder / NAME).read_bytes()


def test_a_file_arrives_as_it_is_and_leaves_nothing_else(server: HubServer, tmp_path: Path) -> None:
    assert fetch(tmp_path) == DATA
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_after_a_cut_only_the_rest_is_sent(server: HubServer, tmp_path: Path) -> None:
    server.sent = [Fault(cut=2_500_000)]
    assert fetch(tmp_path) == DATA
    assert server.ranges == [WHOLE, "bytes=2500000-"]


def test_a_line_that_is_reset_is_taken_up_again(server: HubServer, tmp_path: Path) -> None:
    server.sent = [Fault(cut=2_500_000, reset=True)]
    assert fetch(tmp_path) == DATA


def test_cuts_that_bring_something_are_not_counted(server: HubServer, tmp_path: Path) -> None:
    server.sent = [Fault(cut=400_000)] * 7
    assert fetch(tmp_path) == DATA


def test_cuts_that_bring_nothing_are(server: HubServer, tmp_path: Path) -> None:
    server.sent = [Fault(cut=0)] * 7
    with pytest.raises(CorpusError, match=r"can't reach http://127.* for karpathy/climbmix"):
        fetch(tmp_path)
    assert len(server.ranges) == AT_ONCE.tries


def test_a_later_call_goes_on_where_one_gave_up(server: HubServer, tmp_path: Path) -> None:
    server.sent = [Fault(cut=2_000_000), Fault(500), Fault(500)]
    with pytest.raises(CorpusError, match="answers 500"):
        fetch(tmp_path)
    server.requests.clear()
    assert fetch(tmp_path) == DATA
    assert server.ranges == ["bytes=2000000-"]


def test_a_server_that_knows_no_ranges_sends_all_again(server: HubServer, tmp_path: Path) -> None:
    server.sent = [Fault(cut=2_000_000), Fault(whole=True)]
    assert fetch(tmp_path) == DATA


@pytest.mark.parametrize("fault", [Fault(500), Fault(503), Fault(429, {"Retry-After": "0"})])
def test_a_busy_hub_is_asked_again(server: HubServer, tmp_path: Path, fault: Fault) -> None:
    server.asked, server.sent = [fault, fault], [fault, fault]
    assert fetch(tmp_path) == DATA


def test_a_busy_hub_is_not_asked_for_ever(server: HubServer, tmp_path: Path) -> None:
    server.asked = [Fault(500)] * 9
    with pytest.raises(CorpusError, match=r"answers 500 for karpathy/climbmix.*; repeat this when"):
        fetch(tmp_path)
    assert len(server.requests) == AT_ONCE.tries


def test_a_hub_is_given_the_seconds_it_asks_for(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    server.asked = [Fault(429, {"Retry-After": "7"})]
    assert fetch(tmp_path) == DATA
    assert waited == [7.0]


def test_a_hub_that_asks_for_an_hour_is_not_waited_for(server: HubServer, tmp_path: Path) -> None:
    server.asked = [Fault(429, {"Retry-After": "3600"})]
    with pytest.raises(CorpusError, match=r"answers 429 for .*; repeat this"):
        fetch(tmp_path)
    assert len(server.requests) == 1


def test_a_damaged_file_is_fetched_again(server: HubServer, tmp_path: Path) -> None:
    server.sent = [Fault(damaged=True)]
    assert fetch(tmp_path) == DATA
    assert server.ranges == [WHOLE, WHOLE]


def test_a_file_that_is_always_damaged_is_refused(server: HubServer, tmp_path: Path) -> None:
    server.sent = [Fault(damaged=True)] * 9
    with pytest.raises(CorpusError, match=rf"{NAME} arrives damaged from .*: its SHA-256 is \w+"):
        fetch(tmp_path)
    assert not list(tmp_path.iterdir())
    assert len(server.ranges) == AT_ONCE.tries


def test_half_of_another_version_is_not_gone_on_with(server: HubServer, tmp_path: Path) -> None:
    server.sent = [Fault(cut=2_000_000), Fault(500), Fault(500)]
    with pytest.raises(CorpusError):
        fetch(tmp_path)
    server.files[NAME] = b"another version"
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


def test_a_file_that_the_hub_has_not_is_told(server: HubServer) -> None:
    with pytest.raises(CorpusError, match=r"answers 404 for .*; is HF_ENDPOINT a hub"):
        hub.look(REPOSITORY, "shard_99999.parquet", AT_ONCE)
    assert len(server.requests) == 1


def test_a_hub_that_tells_no_checksum_is_refused(server: HubServer) -> None:
    server.tells_sha = False
    with pytest.raises(CorpusError, match="tells no size and SHA-256 of"):
        hub.look(REPOSITORY, NAME, AT_ONCE)


def test_a_killed_download_is_gone_on_with(server: HubServer, tmp_path: Path) -> None:
    server.sent = [Fault(cut=2_000_000, held=True)]
    code = (
        "import sys; from pathlib import Path; from autoresearch_kit.tasks.lm import hub;"
        "file = hub.look(*sys.argv[1:3]); tell = lambda size: print(size, flush=True);"
        "hub.fetch(file, Path(sys.argv[3], file.name), tell)"
    )
    argv = [sys.executable, "-c", code, REPOSITORY, NAME, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        arrived = 0
        while arrived < 1_900_000:
            arrived += int(process.stdout.readline())
        process.kill()
    assert fetch(tmp_path) == DATA
    assert int(server.ranges[-1].removeprefix("bytes=").removesuffix("-")) > 1_800_000


FULL = """
import errno, os, subprocess, sys
from pathlib import Path
from autoresearch_kit.tasks.lm import hub
from tests.tasks.lm.hub_server import HubServer
disk, data = Path(sys.argv[1]), bytes(range(250)) * 12_000
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", disk], check=True)
filler = (disk / "filler").open("wb", buffering=0)
def fill(size):
    try:
        while size and filler.write(bytes(65536)):
            pass
    except OSError:
        pass
with HubServer({"shard": data}) as server:
    os.environ["HF_ENDPOINT"] = server.url
    file = hub.look("someone/text", "shard")
    try:
        hub.fetch(file, disk / "shard", fill)
    except OSError as error:
        print(errno.errorcode[error.errno], len(server.ranges))
    filler.truncate(0)
    hub.fetch(file, disk / "shard", lambda size: None)
    print((disk / "shard").read_bytes() == data, server.ranges[-1] != "bytes=0-")
"""


def test_a_full_disk_is_told_and_what_arrived_stays(tmp_path: Path) -> None:
    assert in_namespace(FULL, tmp_path) == ["ENOSPC 1", "True True"]
