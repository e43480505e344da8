"""Kills a runner, or a judge, and its parent together while it sets a sandbox up."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from autoresearch_kit.execution import launch
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.records import RunSpec
from autoresearch_kit.records.codec import encode

SETTLE_SECONDS = 30.0
"""In which what survived may end by itself: a predictor looks once it has imported torch."""

LOOK_SECONDS = 0.1

STARTS = {
    "runner": "launch.prepare(spec).runner",
    "judge": "scoring.start(scoring.judge_spec(spec, spec.folder, Split.VAL))",
}
"""Processes whose parent starts a sandbox: a kernel's, or two predictors'."""

PARENT = """
import sys
from pathlib import Path
from autoresearch_kit.records.codec import decode
from autoresearch_kit.execution import launch
from autoresearch_kit.execution.judge import scoring
from autoresearch_kit.tasks.lm.splits import Split
from autoresearch_kit.records import RunSpec
spec = decode(RunSpec, Path(sys.argv[1]).read_bytes())
(spec.folder / "submission.pkl").touch()
print({start}.process.pid, flush=True)
sys.stdin.read()
"""


def kill_in_set_up(spec: RunSpec, what: str, seconds: float) -> None:
    """Start a runner or a judge, and kill it and its parent so long after a sandbox was begun."""
    file = spec.folder.parent / "spec.json"
    file.write_bytes(encode(spec))
    argv = [sys.executable, "-c", PARENT.format(start=STARTS[what]), str(file)]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, cwd=spec.kit) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        while not child.children():
            assert child.is_running()
        time.sleep(seconds)
        os.kill(child.pid, signal.SIGKILL)
        parent.kill()


def left(spec: RunSpec, seconds: float = 0.0) -> list[psutil.Process]:
    """Return the processes that are left after at most so many seconds."""
    end = time.monotonic() + seconds
    while (processes := _naming(spec)) and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)
    return processes


def next_start(spec: RunSpec) -> None:
    """Do what the next start does with that run before it begins."""
    launch.end_run(spec.run_id)


def _naming(spec: RunSpec) -> list[psutil.Process]:
    """Return the processes that name the run's folders in their command lines."""
    folders = (str(spec.folder), str(reap.socket_folder(spec.run_id)))
    naming = []
    for process in psutil.process_iter():
        with suppress(OSError):
            words = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode(errors="replace")
            if any(folder in words for folder in folders):
                naming.append(process)
    return naming
