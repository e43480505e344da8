import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from autoresearch_kit.execution import reap, sandbox
from autoresearch_kit.records import SandboxLevel
from tests.execution import orphans
from tests.execution.notebooks import make_spec, notebook

SLOW = pytest.mark.slow

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


@pytest.fixture
def run_id(tmp_path: Path) -> str:
    return f"test-{tmp_path.name}-{os.getpid()}"


def gone(pid: int) -> bool:
    """Whether it runs no more; a container's init may leave a zombie."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def start(code: str, run_id: str) -> tuple[subprocess.Popen[str], int]:
    """A process that carries the run id, and the process id that its code prints."""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, reap.RUN_ID: run_id},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def test_a_double_forked_daemon_that_ignores_sigterm_is_killed(run_id: str) -> None:
    process, daemon = start(DAEMON, run_id)
    with process:
        assert reap.reap(run_id) == 2
    assert gone(daemon)


def test_a_child_with_an_empty_environment_is_killed(run_id: str) -> None:
    code = (
        "import subprocess; p = subprocess.Popen(['sleep', '1000'], env={}, "
        "start_new_session=True, stdout=subprocess.DEVNULL); print(p.pid, flush=True); p.wait()"
    )
    process, child = start(code, run_id)
    with process:
        assert reap.reap(run_id) == 2
    assert gone(child)


def test_another_run_is_left_alone(run_id: str) -> None:
    process, _ = start("import os, signal; print(os.getpid(), flush=True); signal.pause()", run_id)
    with process:
        assert reap.reap(f"{run_id}-other") == 0
        assert process.poll() is None
        process.kill()


def test_sockets_are_removed(run_id: str) -> None:
    folder = reap.socket_folder(run_id)
    folder.mkdir()
    (folder / "kernel-ipc-1").touch()
    reap.reap(run_id)
    assert not folder.exists()


@pytest.mark.skipif(bool(sandbox.why_not()), reason=sandbox.why_not())
@pytest.mark.parametrize(
    ("what", "milliseconds"),
    [("runner", 2), ("runner", 10), ("runner", 25), pytest.param("judge", 5, marks=SLOW)],
)
def test_nothing_outlives_a_kill_while_a_sandbox_is_set_up(
    what: str, milliseconds: int, tmp_path: Path
) -> None:
    """Before the next start; benchmarks/orphans.py makes 50 tries at moments of all kinds."""
    spec = make_spec(tmp_path, notebook(""), sandbox=SandboxLevel.BUBBLEWRAP)
    orphans.kill_in_set_up(spec, what, milliseconds / 1000)
    assert orphans.left(spec, orphans.SETTLE_SECONDS) == []


@pytest.mark.skipif(bool(sandbox.why_not()), reason=sandbox.why_not())
def test_all_of_a_sandbox_is_found_by_its_run_id(tmp_path: Path) -> None:
    """bubblewrap's own processes, too, while it waits and before it has started anything."""
    spec = make_spec(tmp_path, notebook(""), sandbox=SandboxLevel.BUBBLEWRAP)
    ready, blocked = os.pipe()
    command = sandbox.command(spec.sandbox, ["sleep", "1000"], env={})
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
    """The processes that are found without regard to who started them."""
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(reap.RUN_ID) == run_id:
                found.add(process.pid)
    return found
