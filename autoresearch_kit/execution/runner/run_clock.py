"""The runner's clock by which a run's budget is counted, and the run's limit of wall-clock.

Under the CPU clock a second is one CPU second of each thread that torch computes with: a neighbour
who takes half of the cores makes a run twice as long, but no worse. Cores that a run leaves idle
while nobody else uses them count too, beyond some: nothing is gained by waiting, or by computing
with fewer threads for longer.
"""

from pathlib import Path

import psutil

from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.runner.clock import Told
from autoresearch_kit.execution.runner.compiling import CompileMeter, granted_file
from autoresearch_kit.execution.runner.cpu_time import CpuReader, read_process
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.machine import cgroups
from autoresearch_kit.records import Clock, RunPlace, codec

LEAST_SHARE = 0.6
"""Least share of the cores that nobody else uses that a run is counted as having used. A training
step keeps two cores busy for 92%; code that uses one thread gets as much done by a budget only if
the second adds less than a fifth."""

PATIENCE = 6.0
"""Wall-clock seconds after which a second of the CPU clock has passed at the latest. Beside a busy
loop on each core a run needs 2.5."""

STARTUP_SECONDS = 120.0
"""Allowed for starting the kernel and for imports."""

LAUNCHER = "bwrap"

CLOCK_FILE = "clock.json"


def clock_file(place: RunPlace) -> Path:
    """Return the file that tells a run under the CPU clock where that stands."""
    return granted_file(place.folder).with_name(CLOCK_FILE)


def wall_allowance(clock: Clock, train_seconds: float, compile_seconds: float) -> float:
    """Return the wall-clock seconds after which a run is ended, whatever its clock says."""
    if clock is Clock.CPU:
        return PATIENCE * (train_seconds + compile_seconds) + STARTUP_SECONDS
    return 2 * train_seconds + compile_seconds + STARTUP_SECONDS


class RunClock:
    """Counts the seconds of one run since its training began. Times are `time.monotonic()`."""

    def __init__(self, place: RunPlace, cpu: CpuReader, compiling: CompileMeter) -> None:
        self._cpu = cpu
        self._compiling = compiling
        self._threads = cgroups.cores() if place.clock is Clock.CPU else None
        self._file = clock_file(place)
        self._run_id = place.run_id
        self._kernel: psutil.Process | None = None
        self._begun: float | None = None
        self._cpu_before = 0.0
        self._elsewhere_before = 0.0
        self.tell(0.0)

    def find_kernel(self) -> None:
        """Find the kernel's process behind those of the sandbox, now that it answers."""
        process = psutil.Process().children()[0]
        while process.name() == LAUNCHER:
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

    def tell(self, now: float) -> None:
        """Tell the notebook where the CPU clock stands: at 0 until its kernel is known.

        The CPU time that a waiting kernel has taken would count twice otherwise: here, and again
        where the notebook adds its own.
        """
        if self._threads is None:
            return
        told = Told(self._threads)
        if self._kernel and (kernel := read_process(self._kernel)):
            before = self._cpu_before if self._begun is not None else self._cpu.run_seconds
            told = Told(self._threads, before / self._threads + self.seconds(now), kernel.seconds)
        write_atomic(self._file, codec.encode(told))
