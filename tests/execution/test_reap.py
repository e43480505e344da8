import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from autoresearch_kit.execution import reap

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
