"""The training budget as the notebook counts it. The runner measures it again, from outside."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Generic, TypeVar

from autoresearch_kit.records import codec

T = TypeVar("T")

READ_SECONDS = 0.2
"""A file of the runner's is read again when this old."""

WARM_UP_STEPS = 10
"""First steps among which those that compiled are looked for; upstream excludes its first 10."""

SURE_STEPS = 3
"""Steps before which the budget can't end: it is not known yet which of them compiled."""

SLOW = 2.0
"""A first step that takes this many times a typical one compiled something."""


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
        """Training seconds so far."""
        now = self._now()
        running = 0.0
        if self._step_start is not None and len(self._laps) < SURE_STEPS:
            running = now - self._step_start
        return now - self._start - min(self.excluded + running, self._allowance())

    @property
    def step_seconds(self) -> float:
        """Seconds of a typical step; 0 while it is not known which of them compiled."""
        return self._typical()

    @property
    def now(self) -> float:
        """Seconds since some moment, compilation included."""
        return self._now()

    @property
    def excluded(self) -> float:
        """Seconds that are not counted."""
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
        typical = self._typical()
        self._compiling = sum(lap - typical for lap in self._laps if lap > SLOW * typical)

    def exclude(self, seconds: float) -> None:
        """Leave out seconds that the kit itself spent."""
        self._set_aside += seconds

    def _typical(self) -> float:
        if len(self._laps) < SURE_STEPS:
            return 0.0
        if len(self._laps) < WARM_UP_STEPS:
            return min(self._laps)
        return median(self._laps[WARM_UP_STEPS // 2 :])


class Followed(Generic[T]):
    """The content of a file that the runner rewrites, at most `READ_SECONDS` old."""

    def __init__(
        self, file: Path, parse: Callable[[bytes], T], now: Callable[[], float] = time.perf_counter
    ) -> None:
        self._file = file
        self._parse = parse
        self._now = now
        self._read_at = now()
        self._content = parse(file.read_bytes())

    def __call__(self) -> T:
        """Return the content."""
        now = self._now()
        if now - self._read_at >= READ_SECONDS:
            self._read_at, self._content = now, self._parse(self._file.read_bytes())
        return self._content


@dataclass(frozen=True)
class Told:
    """The CPU clock of a run as its runner read it: seconds from some moment before training.

    `kernel` is the CPU seconds that the kernel's own process had taken by then, and `threads` the
    number of threads over which CPU time is counted.
    """

    threads: int
    seconds: float = 0.0
    kernel: float = 0.0


class ToldClock:
    """The CPU clock inside a notebook: the runner's, and this process's own CPU time since."""

    def __init__(
        self,
        file: Path,
        now: Callable[[], float] = time.perf_counter,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self._told = Followed(file, lambda data: codec.decode(Told, data), now)
        self._cpu = cpu
        self._latest = 0.0

    def __call__(self) -> float:
        """Return the seconds; they never go back."""
        told = self._told()
        since = (self._cpu() - told.kernel) / told.threads
        self._latest = max(self._latest, told.seconds + since)
        return self._latest
