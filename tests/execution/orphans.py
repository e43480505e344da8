"""Kills a runner, or a judge, and its parent together while it sets a sandbox up."""

import os
import signal
import subprocess
import sys
import time
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
"""How a parent starts what sets a sandbox up: a kernel's, or two predictors'."""

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
    """Processes that name the run's folders in their command lines, so long after now at most."""
    end = time.monotonic() + seconds
    while found := _found(spec):
        if time.monotonic() > end:
            break
        time.sleep(LOOK_SECONDS)
    return found


def next_start(spec: RunSpec) -> None:
    """What the next start does in that place before it begins."""
    launch.end_run(spec.run_id)


def _found(spec: RunSpec) -> list[psutil.Process]:
    places = (str(spec.folder), str(reap.socket_folder(spec.run_id)))
    found = []
    for process in psutil.process_iter():
        try:
            words = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if any(place in words for place in places):
            found.append(process)
    return found
