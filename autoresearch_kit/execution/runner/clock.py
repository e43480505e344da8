"""The training budget: as the notebook counts it, and as its runner measures it from outside.

Under the CPU clock a second is one CPU second of each thread that torch computes with: a neighbour
who takes half of the cores makes a run twice as long, but no worse. Cores that a run leaves idle
while nobody else uses them count too, beyond some: nothing is gained by waiting, or by computing
with fewer threads for longer.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Generic, TypeVar

import psutil

from autoresearch_kit.execution import handover
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.runner.compiling import CompileMeter
from autoresearch_kit.execution.runner.cpu_time import CpuReader, read_process
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.machine import cgroups
from autoresearch_kit.records import Clock, RunSpec, codec

T = TypeVar("T")

READ_SECONDS = 0.2  # a file of the runner's is read again when this old

WARM_UP_STEPS = 10
"""First steps among which those that compiled are looked for; upstream excludes its first 10."""

SURE_STEPS = 3
"""Steps before which the budget can't end: it is not known yet which of them compiled."""

SLOW = 2.0  # a first step that takes this many times a typical one compiled something

LEAST_SHARE = 0.6
"""Least share of the cores that nobody else uses that a run is counted as having used. A training
step keeps two cores busy for 92%; code that uses one thread gets as much done by a budget only if
the second adds less than a fifth."""

PATIENCE = 6.0
"""Wall-clock seconds after which a second of the CPU clock has passed at the latest. Beside a busy
loop on each core a run needs 2.5."""

STARTUP_SECONDS = 120.0  # seconds allowed for starting the kernel and for imports


def wall_allowance(clock: Clock, train_seconds: float, compile_seconds: float) -> float:
    """Return the wall-clock seconds after which a run is ended, whatever its clock says."""
    if clock is Clock.CPU:
        return PATIENCE * (train_seconds + compile_seconds) + STARTUP_SECONDS
    return 2 * train_seconds + compile_seconds + STARTUP_SECONDS


class BudgetClock:
    """Counts the seconds of training since it was made, by `now`, without those of compilation.

    A first step that is far slower than a typical one counts as a typical one; its excess, up to
    `allowance()` seconds in all, is excluded. Where nothing compiles, nothing is excluded.
    """

    def __init__(
        self, allowance: Callable[[], float], now: Callable[[], float] = time.perf_counter
    ) -> None:
        self._allowance = allowance
        self._now = now
        self._start = now()
        self._step_start: float | None = None
        self._laps: list[float] = []
        self._set_aside = 0.0
        self._compiling = 0.0

    @property
    def seconds(self) -> float:
        """Return the training seconds so far."""
        now = self._now()
        running = 0.0
        if self._step_start is not None and len(self._laps) < SURE_STEPS:
            running = now - self._step_start
        return now - self._start - min(self.excluded + running, self._allowance())

    @property
    def step_seconds(self) -> float:
        """Return the seconds of a typical step; 0 while it is not known which of them compiled."""
        if len(self._laps) < SURE_STEPS:
            return 0.0
        if len(self._laps) < WARM_UP_STEPS:
            return min(self._laps)
        return median(self._laps[WARM_UP_STEPS // 2 :])

    @property
    def now(self) -> float:
        """Return the seconds since some moment, compilation included."""
        return self._now()

    @property
    def excluded(self) -> float:
        """Return the seconds that are not counted."""
        return min(self._set_aside + self._compiling, self._allowance())

    def start_steps(self) -> None:
        """Note that the first step begins now."""
        self._step_start = self._now()

    def lap(self) -> None:
        """Note that a step ended and the next begins."""
        if self._step_start is None or len(self._laps) == WARM_UP_STEPS:
            return
        now = self._now()
        self._laps.append(now - self._step_start)
        self._step_start = now
        typical = self.step_seconds
        self._compiling = sum(lap - typical for lap in self._laps if lap > SLOW * typical)

    def exclude(self, seconds: float) -> None:
        """Leave out seconds that the kit itself spent."""
        self._set_aside += seconds


class RefreshedFile(Generic[T]):
    """The content of a file that the runner rewrites, at most `READ_SECONDS` old."""

    def __init__(
        self, file: Path, parse: Callable[[bytes], T], now: Callable[[], float] = time.perf_counter
    ) -> None:
        self._file, self._parse, self._now = file, parse, now
        self._read_at, self._content = now(), parse(file.read_bytes())

    def __call__(self) -> T:
        """Return the content."""
        now = self._now()
        if now - self._read_at >= READ_SECONDS:
            self._read_at, self._content = now, self._parse(self._file.read_bytes())
        return self._content


@dataclass(frozen=True)
class ClockReading:
    """The CPU clock of a run as its runner read it: seconds from some moment before training.

    `kernel` is the CPU seconds that the kernel's own process had taken by then, and `threads` the
    number of threads over which CPU time is counted.
    """

    threads: int
    seconds: float = 0.0
    kernel: float = 0.0


class NotebookClock:
    """The CPU clock inside a notebook: the runner's, and this process's own CPU time since."""

    def __init__(
        self,
        file: Path,
        now: Callable[[], float] = time.perf_counter,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self._reading = RefreshedFile(file, lambda data: codec.decode(ClockReading, data), now)
        self._cpu = cpu
        self._latest = 0.0

    def __call__(self) -> float:
        """Return the seconds; they never go back."""
        reading = self._reading()
        since = (self._cpu() - reading.kernel) / reading.threads
        self._latest = max(self._latest, reading.seconds + since)
        return self._latest


class RunClock:
    """Counts the seconds of one run since its training began. Times are `time.monotonic()`."""

    def __init__(self, spec: RunSpec, cpu: CpuReader, compiling: CompileMeter) -> None:
        self._cpu = cpu
        self._compiling = compiling
        self._threads = cgroups.cores() if spec.clock is Clock.CPU else None
        self._file = spec.folder / handover.FROM_RUNNER_FOLDER / handover.CLOCK_FILE
        self._run_id = spec.run_id
        self._kernel: psutil.Process | None = None
        self._begun: float | None = None
        self._cpu_before = 0.0
        self._elsewhere_before = 0.0
        self.write(0.0)

    def find_kernel(self) -> None:
        """Find the kernel's process behind those of the sandbox, now that it answers."""
        process = psutil.Process().children()[0]
        while process.name() == "bwrap":
            process = process.children()[0]
        self._kernel = process
        cgroup = reap.run_cgroup(self._run_id)
        if cgroup is not None and cgroups.has(cgroup, process.pid):
            self._cpu.count_by(cgroup)

    def begin(self, now: float) -> None:
        """Note that training begins now; all processes have just been looked at."""
        self._begun, self._cpu_before = now, self._cpu.run_seconds
        self._elsewhere_before = self._cpu.elsewhere

    def seconds(self, now: float) -> float:
        """Return the seconds since training began, by CPU time as last looked at; 0 before."""
        if self._begun is None:
            return 0.0
        wall = now - self._begun
        if self._threads is None:
            return wall
        used = (self._cpu.run_seconds - self._cpu_before) / self._threads
        return max(used, LEAST_SHARE * self._free(self._begun, self._threads), wall / PATIENCE)

    def _free(self, begun: float, threads: int) -> float:
        """Return the seconds of all threads that others left to the run, until the last look.

        Seconds of compilation are left out: it can't use them.
        """
        wall = self._cpu.at - begun
        others = self._cpu.elsewhere - self._elsewhere_before
        return min(wall, (wall * cgroups.cpus() - others) / threads) - self._compiling.on_one_core

    def write(self, now: float) -> None:
        """Tell the notebook where the CPU clock stands."""
        if self._threads is None:
            return
        # 0 until the kernel is known, or what a waiting kernel took would count here and there
        reading = ClockReading(self._threads)
        if self._kernel and (kernel := read_process(self._kernel)):
            before = self._cpu_before if self._begun is not None else self._cpu.run_seconds
            reading = ClockReading(
                self._threads, before / self._threads + self.seconds(now), kernel.seconds
            )
        write_atomic(self._file, codec.encode(reading))
