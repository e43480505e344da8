"""Measure how much compilation a run's budget excludes, from outside, whatever the notebook claims.

Under the wall clock that is time in which no training can go on: one of the system's compilers
works, and all else that the run has started does next to nothing. Under the CPU clock it is the
compilers' own CPU time. The tracing before, in Python, looks like training from outside: as much of
it is granted as honest code needs for the compilers' work that was seen, and a few seconds where
none was seen. The notebook is told what is granted, so that honest code keeps within its budget
where that is less than it took.

On a GPU, where compilers are Python processes like any other, the notebook's claim is believed, up
to the run's limit.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psutil

from autoresearch_kit.execution import handover
from autoresearch_kit.execution.runner.cpu_time import Tally, read_all
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.machine import cgroups
from autoresearch_kit.records import Clock, RunSpec

FREE_SECONDS = 3.0
"""Granted without a compiler: a run that finds its compiled code in the cache traces for 7 to 8
CPU seconds, beside the 6 that the compiler takes for what the cache does not keep."""

TRACING_SHARE = 0.5
TRACING_SECONDS = 20.0
"""Granted for tracing, on one core: this share of the compilers' CPU seconds, and these seconds at
most. The shipped model's first compilation traces for 16 s and keeps the compiler busy for 55."""

QUIET = 0.3  # cores that may work beside a compiler

COMPILERS = frozenset({"as", "c++", "cc", "cc1plus", "clang", "collect2", "g++", "gcc", "ld"})
"""Names of compilers' processes, without system and version (`x86_64-linux-gnu-g++-12`)."""


class CompileMeter:
    """Adds up the seconds of one run, by its clock, in which only compilers worked."""

    def __init__(self, spec: RunSpec) -> None:
        self._limit = spec.compile_seconds
        self._file = spec.folder / handover.FROM_RUNNER_FOLDER / handover.COMPILE_SECONDS_FILE
        self._believes = spec.gpu is not None or not psutil.LINUX
        self._threads = cgroups.cores() if spec.clock is Clock.CPU else None
        self._compilers = Tally()
        self._taken = 0.0
        self._quiet = 0.0
        self._working = 0.0
        self._looked: float | None = None
        self._told = -1.0
        self._file.parent.mkdir(exist_ok=True)
        self._tell()

    @property
    def granted(self) -> float:
        """Return the seconds that the budget excludes at most."""
        if self._believes:
            return self._limit
        if self._threads is None:
            return min(self._limit, FREE_SECONDS + self._quiet + self._tracing)
        busy = (self._compilers.total + self._tracing) / self._threads
        return min(self._limit, FREE_SECONDS + busy)

    @property
    def on_one_core(self) -> float:
        """Return the wall-clock seconds in which compilation kept one core busy, and no other."""
        return FREE_SECONDS + self._working + self._tracing

    @property
    def _tracing(self) -> float:
        return min(TRACING_SHARE * self._compilers.total, TRACING_SECONDS)

    def look(self, processes: Sequence[psutil.Process], now: float, taken: float) -> None:
        """Account for the time since the last look, and tell the notebook what it is granted.

        `processes` are all of the run's, `taken` the CPU seconds that it has taken so far.
        """
        compilers = [process for process in processes if is_compiler(process)]
        compiled = self._compilers.total
        # what a compiler waited for counts only if that is a compiler itself
        self._compilers.look([replace(time, reaped=0.0) for time in read_all(compilers)])
        worked = self._compilers.total - compiled
        if self._looked is not None and compilers:
            elapsed, others = now - self._looked, taken - self._taken - worked
            self._quiet += elapsed if others <= QUIET * elapsed else 0.0
            self._working += min(elapsed, worked)
        self._looked, self._taken = now, taken
        self._tell()

    def _tell(self) -> None:
        if self.granted != self._told:
            self._told = self.granted
            write_atomic(self._file, str(self._told).encode())


def is_compiler(process: psutil.Process) -> bool:
    """Return whether it is a compiler of the system, not the notebook's file of such a name."""
    try:
        program = Path(process.exe())
        # a sandbox may show the notebook's own file under a compiler's path
        if not program.samefile(f"/proc/{process.pid}/exe"):
            return False
    except (psutil.Error, OSError):
        return False
    roots = ("/usr", "/opt", sys.prefix, sys.base_prefix)
    words = program.name.removeprefix("x86_64-linux-gnu-").removeprefix("aarch64-linux-gnu-")
    known = words.split(".")[0].rstrip("-0123456789") in COMPILERS
    return known and any(program.is_relative_to(root) for root in roots)
