"""The training budget as the notebook sees it. The runner measures it again, from outside."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from autoresearch_kit.records import codec

READ_SECONDS = 0.2
"""How old what the runner said may be."""

WARM_UP_STEPS = 10
"""Compilation is looked for in this many first steps; upstream excludes its first 10."""

SURE_STEPS = 3
"""So many steps are trained before the budget can end: nobody knows yet which of them compiled."""

SLOW = 2.0
"""A first step that takes this many times a typical one compiled something."""


class BudgetClock:
    """Seconds of training since it was made, by `now`, without those that compilation took.

    A first step that is far slower than a typical one counts as a typical one; what is above that,
    up to `allowance()` seconds in all, is excluded. Where nothing compiles, nothing is excluded.
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
        """Training seconds so far."""
        now = self._now()
        running = 0.0
        if self._step_start is not None and len(self._laps) < SURE_STEPS:
            running = now - self._step_start
        return now - self._start - min(self.excluded + running, self._allowance())

    @property
    def step_seconds(self) -> float:
        """How long a typical step takes; 0 while it is not known which of them compiled."""
        return self._typical()

    @property
    def now(self) -> float:
        """Seconds since some moment, compilation and all."""
        return self._now()

    @property
    def excluded(self) -> float:
        """Seconds that don't count."""
        return min(self._set_aside + self._compiling, self._allowance())

    def start_steps(self) -> None:
        """The first step begins now."""
        self._step_start = self._now()

    def lap(self) -> None:
        """A step ended, the next begins."""
        if self._step_start is None or len(self._laps) == WARM_UP_STEPS:
            return
        now = self._now()
        self._laps.append(now - self._step_start)
        self._step_start = now
        typical = self._typical()
        self._compiling = sum(lap - typical for lap in self._laps if lap > SLOW * typical)

    def exclude(self, seconds: float) -> None:
        """Takes out what the kit itself spent."""
        self._set_aside += seconds

    def _typical(self) -> float:
        if len(self._laps) < SURE_STEPS:
            return 0.0
        if len(self._laps) < WARM_UP_STEPS:
            return min(self._laps)
        return median(self._laps[WARM_UP_STEPS // 2 :])


@dataclass(frozen=True)
class Told:
    """The CPU clock of a run as its runner read it: seconds, from some moment before training.

    `kernel` are the CPU seconds that the kernel's own process had taken then, and `threads` the
    threads over which CPU time is counted.
    """

    threads: int
    seconds: float = 0.0
    kernel: float = 0.0


class ToldClock:
    """The CPU clock inside a notebook: what the runner told, and this process's own time since."""

    def __init__(
        self,
        file: Path,
        now: Callable[[], float] = time.perf_counter,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self._file = file
        self._now = now
        self._cpu = cpu
        self._told = Told(threads=1)
        self._read = -READ_SECONDS
        self._latest = 0.0

    def __call__(self) -> float:
        """Seconds; they never go back."""
        now = self._now()
        if now - self._read >= READ_SECONDS:
            self._read, self._told = now, codec.decode(Told, self._file.read_bytes())
        since = (self._cpu() - self._told.kernel) / self._told.threads
        self._latest = max(self._latest, self._told.seconds + since)
        return self._latest
