"""Everything that a run has started can be found and ended."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.records import RunSpec, SandboxLevel
from tests.execution import orphans
from tests.execution.notebooks import make_spec, notebook

SLOW = pytest.mark.slow

SETTLE_SECONDS = 10.0
"""Seconds in which what outlives a kill ends by itself, on a busy machine too."""

ROOT = Path(__file__).parents[2]

DAEMON = """
import os, signal, sys
if os.fork():
    signal.pause()
os.setsid()
if os.fork():
    os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), flush=True)
signal.pause()
"""

CHILD = """
import subprocess
nothing = subprocess.DEVNULL
child = subprocess.Popen(['sleep', '1000'], env={}, start_new_session=True, stdout=nothing)
print(child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def run_id(tmp_path: Path) -> str:
    return f"test-{tmp_path.name}-{os.getpid()}"


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    return make_spec(tmp_path, notebook(""), sandbox=SandboxLevel.BUBBLEWRAP)


def gone(pid: int) -> bool:
    """Return whether it runs no more; a container's init may leave a zombie."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("code", [DAEMON, CHILD], ids=["daemon", "child without environment"])
def test_processes_that_hide_are_killed(code: str, run_id: str) -> None:
    env = {**os.environ, reap.RUN_ID: run_id}
    argv = [sys.executable, "-c", code]
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        hidden = int(process.stdout.readline())
        assert reap.reap(f"{run_id}-other") == 0
        assert process.poll() is None
        assert reap.reap(run_id) == 2
    assert gone(hidden)


def test_sockets_are_removed(run_id: str) -> None:
    folder = reap.socket_folder(run_id)
    folder.mkdir()
    (folder / "kernel-ipc-1").touch()
    reap.reap(run_id)
    assert not folder.exists()


ENDS = """
import subprocess, time
from autoresearch_kit.execution.processes.starter import end_with_starter
end_with_starter()
subprocess.run(["cat"], check=True)
print("a child reads nothing", flush=True)
time.sleep(1000)
"""


def test_a_process_ends_with_its_starters_pipe() -> None:
    argv, pipe = [sys.executable, "-c", ENDS], subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "a child reads nothing\n"
        assert process.poll() is None
        process.stdin.close()
        assert process.wait() == 1


@pytest.mark.skipif(bool(bubblewrap.why_not()), reason=bubblewrap.why_not())
@pytest.mark.parametrize(
    ("what", "killed", "milliseconds"),
    [
        ("runner", "both", 2),
        pytest.param("runner", "group", 25, marks=SLOW),
        pytest.param("judge", "both", 5, marks=SLOW),
        pytest.param("judge", "parent", 25, marks=SLOW),
    ],
)
def test_nothing_outlives_a_kill_while_a_sandbox_is_set_up(
    what: str, killed: str, milliseconds: int, spec: RunSpec
) -> None:
    """Look before the next start; benchmarks/orphans.py makes 50 tries at moments of all kinds."""
    orphans.kill_in_set_up(spec, what, milliseconds / 1000, killed)
    assert orphans.left(spec, SETTLE_SECONDS) == []


@pytest.mark.skipif(bool(bubblewrap.why_not()), reason=bubblewrap.why_not())
def test_all_of_a_sandbox_is_found_by_its_run_id(spec: RunSpec) -> None:
    """bubblewrap's own processes, too, while it waits and before it has started anything."""
    ready, blocked = os.pipe()
    command = bubblewrap.command(spec.sandbox, ["sleep", "1000"], env={})
    command[1:1] = ["--block-fd", str(ready)]
    env = {**os.environ, reap.RUN_ID: spec.run_id}
    with subprocess.Popen(command, env=env, pass_fds=[ready], cwd="/") as outer:
        while not psutil.Process(outer.pid).children():
            assert outer.poll() is None
        (inner,) = psutil.Process(outer.pid).children()
        assert carriers(spec.run_id) == {outer.pid, inner.pid}
        assert reap.reap(spec.run_id) == 2
    os.close(ready)
    os.close(blocked)


def carriers(run_id: str) -> set[int]:
    """Return the processes that are found without regard to who started them."""
    carrying = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(reap.RUN_ID) == run_id:
                carrying.add(process.pid)
    return carrying
