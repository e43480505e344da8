"""Time training steps inside a notebook's kernel, and profile a few of them.

Only runs that are made for that, and get no score, do so.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, median, quantiles

import torch
from torch._C._autograd import DeviceType
from torch.autograd.profiler_util import FunctionEventAvg
from torch.profiler import ProfilerActivity, profile

from autoresearch_kit.execution.handover import PROFILE_NAME_LENGTH, PROFILE_ROWS
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.records import ProfileRow, StepProfile
from autoresearch_kit.records.codec import encode
from autoresearch_kit.records.text import one_line

PROFILED = 5  # steps under the profiler
SETTLED = 10  # steps before those under the profiler: the first ones compile, and fill caches

LATEST = 0.3
"""The progress at which steps are profiled even if fewer came before, but for the first."""


def watched(
    steps: Iterator[int], progress: Callable[[], float], device: torch.device, file: Path
) -> Iterator[int]:
    """Yield the steps, and write a `StepProfile` of them into `file` when they end, however."""
    watch = StepWatch(device)
    try:
        for step in steps:
            watch.begin(step, progress())
            yield step
            watch.end()
    finally:
        write_atomic(file, encode(watch.result()))


class StepWatch:
    """Times steps on `device`; `PROFILED` of them, in a row, run under `torch.profiler`."""

    def __init__(self, device: torch.device) -> None:
        self._gpu = device.type == "cuda"
        self._profile: profile | None = None
        self._seconds: list[float] = []
        self._profiled: list[float] = []
        self._begun = 0.0
        self._within = False
        self._rows: tuple[ProfileRow, ...] = ()
        self._trouble = ""

    def begin(self, step: int, progress: float) -> None:
        """Note that a step begins, at this share of the budget."""
        due = step >= SETTLED or (step > 0 and progress >= LATEST)
        if due and self._profile is None and not self._profiled and not self._trouble:
            self._start()
        self._begun = time.perf_counter()
        self._within = True

    def end(self) -> None:
        """Note that the step ended. While steps are profiled, wait for the GPU to finish it."""
        self._within = False
        if self._profile is None:
            self._seconds.append(time.perf_counter() - self._begun)
            return
        self._wait()
        self._profiled.append(time.perf_counter() - self._begun)
        if len(self._profiled) == PROFILED:
            self._stop(self._profile)

    def result(self) -> StepProfile:
        """Return what is known when the steps are over."""
        if self._profile is not None and self._within:
            self.end()  # a loop that its own `break` ends is profiled to there
        if self._profile is not None:
            self._stop(self._profile)
        first, later = self._seconds[:1], [1000 * each for each in self._seconds[1:]]
        too_few = f"{len(self._seconds)} steps are too few for a profile"
        return StepProfile(
            steps=len(self._profiled),
            first_ms=1000 * first[0] if first else None,
            typical_ms=median(later) if later else None,
            slow_ms=quantiles(later, n=10)[-1] if len(later) > 1 else None,
            profiled_ms=1000 * fmean(self._profiled) if self._profiled else None,
            on_gpu=self._gpu,
            rows=self._rows,
            trouble=self._trouble or ("" if self._rows else too_few),
        )

    def _start(self) -> None:
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if self._gpu else [])]
        self._wait()
        try:
            with _quiet():
                started = profile(activities=activities)
                started.start()
            self._profile = started
        except RuntimeError as error:  # a GPU's driver may not let it
            self._trouble = f"torch.profiler can't start: {error}"

    def _stop(self, running: profile) -> None:
        self._profile = None
        try:
            with _quiet():
                running.stop()
            if self._profiled:
                self._rows = top_rows(running.key_averages(), len(self._profiled), gpu=self._gpu)
        except RuntimeError as error:
            self._trouble = f"torch.profiler: {error}"

    def _wait(self) -> None:
        if self._gpu:
            torch.cuda.synchronize()


def top_rows(events: "list[FunctionEventAvg]", steps: int, *, gpu: bool) -> tuple[ProfileRow, ...]:
    """Return the rows with most time of their own, in `steps` steps; on a GPU, its kernels."""
    own: list[tuple[float, FunctionEventAvg]] = []
    for event in events:
        if (event.device_type != DeviceType.CPU) == gpu and not event.is_user_annotation:
            microseconds = event.self_device_time_total if gpu else event.self_cpu_time_total
            own.append((microseconds / 1e6, event))
    total = sum(seconds for seconds, _ in own)
    largest = sorted(own, key=lambda each: -each[0])[:PROFILE_ROWS]
    return tuple(
        ProfileRow(
            one_line(event.key or "", PROFILE_NAME_LENGTH),
            share=seconds / total,
            milliseconds=1000 * seconds / steps,
            calls=event.count / steps,
        )
        for seconds, event in largest
        if seconds > 0
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the profiler's C++ prints about itself out of the notebook's output."""
    sys.stderr.flush()
    kept = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
