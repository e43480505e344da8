"""Kills a runner, or a judge, or its parent, or both, while it sets a sandbox up."""

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

LOOK_SECONDS = 0.05

KILLED = ("both", "group", "child", "parent")
"""Kills of a runner or judge: with its parent (all of its group, in the second), or one alone."""

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


def kill_in_set_up(spec: RunSpec, what: str, seconds: float, killed: str = "both") -> None:
    """Start a runner or a judge, and kill what `killed` names so long after a sandbox was begun."""
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
        if killed == "group":
            os.killpg(child.pid, signal.SIGKILL)
        elif killed != "parent":
            child.kill()
        if killed != "child":  # that ends by itself, and kills nothing
            parent.kill()


def left(spec: RunSpec, seconds: float) -> list[psutil.Process]:
    """Return the processes that are left after so many seconds; sooner if none is."""
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
