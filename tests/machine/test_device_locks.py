"""Take turns on devices with other processes, which are real here."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autoresearch_kit.errors import Cancelled
from autoresearch_kit.machine import device_locks

HOLD = """
import sys
from pathlib import Path
from autoresearch_kit.machine import device_locks
device_locks.FOLDER = Path(sys.argv[1])
with device_locks.held(sys.argv[2:], lambda: None):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(device_locks, "FOLDER", tmp_path / "devices")
    return tmp_path / "devices"


@contextmanager
def held_elsewhere(folder: Path, *names: str) -> Iterator[subprocess.Popen[str]]:
    """Yield another process, which holds these devices."""
    argv, pipe = [sys.executable, "-c", HOLD, str(folder), *names], subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def give_up() -> None:
    raise Cancelled("stopped")


def test_any_common_core_excludes_two_runs(folder: Path) -> None:
    with held_elsewhere(folder, "core-0", "core-1"):
        with pytest.raises(Cancelled), device_locks.held(["core-1", "core-2"], give_up):
            pass
        with device_locks.held(["core-2", "core-3"], give_up):
            pass


def test_only_what_another_process_holds_is_taken(folder: Path) -> None:
    with held_elsewhere(folder, "core-0"), device_locks.held(["core-1"], give_up):
        taken = [device_locks.taken_by_another([name]) for name in ("core-0", "core-1", "core-2")]
    assert taken == [True, False, False]


def test_a_killed_holder_frees_the_device(folder: Path) -> None:
    with held_elsewhere(folder, "gpu-1") as process:
        with device_locks.held(["gpu-1"], process.kill):
            pass
        assert process.wait() == -9


def test_two_who_want_a_device_get_it_in_turn() -> None:
    had, waiting = list[str](), threading.Event()

    def work() -> None:
        with device_locks.held(["gpu-1"], waiting.set):
            had.append("the other")

    thread = threading.Thread(target=work)
    with device_locks.held(["gpu-1"], give_up):
        thread.start()
        assert waiting.wait(60)
        had.append("the first")
    with device_locks.held(["gpu-1"], lambda: None):
        had.append("the first")
    thread.join()
    assert had == ["the first", "the other", "the first"]


def test_other_users_can_take_their_turn(folder: Path) -> None:
    with device_locks.held(["gpu-1"], give_up):
        pass
    modes = {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())}
    assert modes == {"devices": 0o777, "gpu-1": 0o666, "gpu-1.next": 0o666}
