"""End the kernel at the deadline, over a limit, or after the hand-over: the runner's watchdog.

While the run trains, it also observes what else the machine does.
"""

import os
import stat
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import psutil

from autoresearch_kit.execution import handover
from autoresearch_kit.execution.handover import Failure, write_live
from autoresearch_kit.execution.processes.reap import socket_folder
from autoresearch_kit.execution.runner.clock import RunClock
from autoresearch_kit.execution.runner.compiling import CompileMeter
from autoresearch_kit.execution.runner.conditions import Observer
from autoresearch_kit.execution.runner.cpu_time import CpuReader
from autoresearch_kit.execution.runner.limits import GpuPeak, Limits
from autoresearch_kit.execution.runner.submission import take_submission
from autoresearch_kit.machine import gpu
from autoresearch_kit.records import Conditions, Reason, RunSpec

POLL_SECONDS = 0.05  # precision with which the end of the training budget is known

LIMITS_SECONDS = 0.5
"""Between two looks at memory, processes and disk; a look takes some milliseconds of a core."""

OBSERVE_SECONDS = 2.0
"""Between two looks at what else the machine does; a look takes some ten milliseconds."""

LINGER_SECONDS = 1.0
"""Seconds after the submission arrived, for the kernel to say that its cell ended."""

SLACK, SLACK_SECONDS = 1.02, 2.0
"""A run's time above its training budget, as a factor and more: for pickling, and one last step."""


def allowed_seconds(train_seconds: float) -> float:
    """Return the seconds, without compilation, after which training is over its budget."""
    return train_seconds * SLACK + SLACK_SECONDS


class Watchdog(threading.Thread):
    """Watches one run. Its moments are `time.monotonic()`, None until they come."""

    def __init__(self, spec: RunSpec, started: float, kill: Callable[[], object]) -> None:
        super().__init__(name="watchdog", daemon=True)
        self.spec = spec
        self.started = started
        self.kernel_ready: float | None = None
        self.training: float | None = None
        self.submitted: float | None = None
        self.failure: Failure | None = None
        self.conditions: Conditions | None = None
        uuid = spec.gpu.uuid if spec.gpu else ""
        self.gpu = GpuPeak(partial(gpu.memory, uuid))
        self.compiling = CompileMeter(spec)
        self._work = spec.folder / handover.WORK_FOLDER
        self.limits = Limits(self._work, socket_folder(spec.run_id), spec.memory_mb)
        self._kill = kill
        self._cpu = CpuReader(cores=spec.cores)
        self._clock = RunClock(spec, self._cpu, self.compiling)
        self._observer = Observer(self._cpu, partial(gpu.look, uuid))
        self._counting = threading.Lock()
        self._ended = threading.Event()
        self._trained: float | None = None
        self._next_limits = 0.0
        self._next_observation = 0.0

    def run(self) -> None:
        """Watch until the kernel was killed, or the runner says that all is over.

        A run that is not watched has no bounds. So an error here ends the run as the kit's failure;
        where its processes can't be killed, it ends the runner, and the runner's caller kills them.
        """
        try:
            self._watch()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the run must not go on
            traceback.print_exc()  # into the runner's log
            why = f"the watchdog failed: {type(error).__name__}: {error}"
            self.failure = Failure(Reason.KIT_FAILED, why)
            try:
                self._kill()
            except BaseException:  # noqa: BLE001
                sys.stderr.write(f"{why}\n")
                sys.stderr.flush()
                os._exit(1)

    def _watch(self) -> None:
        self.gpu.look(())  # what was in use before the run
        while not self._ended.wait(POLL_SECONDS):
            now = time.monotonic()
            self._look(now)
            lingered = self.submitted is not None and now > self.submitted + LINGER_SECONDS
            if self.failure or lingered:
                self._kill()
                return

    def note_ready(self) -> None:
        """Note that the kernel answers."""
        self.kernel_ready = time.monotonic()
        self._clock.find_kernel()
        self._count(self.kernel_ready)

    def note_training(self) -> None:
        """Note that the first editable cell, and with it the training budget, begins now."""
        write_live(self.spec.folder, handover.TRAINS)
        with self._counting:
            self._cpu.look_around()
            self.training = time.monotonic()
            self._clock.begin(self.training)

    @property
    def trained(self) -> float:
        """Seconds of training by the run's clock until the hand-over or now, with compilation."""
        if self._trained is not None:
            return self._trained
        return self._clock.seconds(time.monotonic())

    def end(self) -> None:
        """Stop watching; a submission that arrived in the last moment counts."""
        self._ended.set()
        self.join()
        self._look_for_submission(time.monotonic())
        if self.conditions is None and self.training is not None:
            self._end_observation()

    def _look(self, now: float) -> None:
        self._look_for_submission(now)
        if self.submitted is None:  # what was handed over in time is not late while it is taken
            self.failure = self._late(now)
        if now >= self._next_limits or self.limits.many_started():
            self._next_limits = now + LIMITS_SECONDS
            processes = self._count(now)
            self.compiling.look(processes, now, self._cpu.run_seconds)
            self.failure = self.failure or self.limits.exceeded(processes)
            if self.training is not None:
                self.failure = self.failure or self._over_gpu_memory(processes)
        if self.training is None or self.conditions is not None:
            return
        if self.failure or self.submitted is not None:
            self._end_observation()
        elif now >= self._next_observation:
            self._next_observation = now + OBSERVE_SECONDS
            with self._counting:
                self._observer.look()

    def _count(self, now: float) -> list[psutil.Process]:
        """Return the run's processes, and tell the notebook its clock."""
        with self._counting:
            processes = psutil.Process().children(recursive=True)
            self._cpu.look(processes)
            self._clock.write(now)
        return processes

    def _end_observation(self) -> None:
        """Look at the machine, and at the GPU's memory, for the last time."""
        processes = psutil.Process().children(recursive=True)
        self.failure = self.failure or self._over_gpu_memory(processes)
        with self._counting:
            self.conditions = self._observer.end()

    def _look_for_submission(self, now: float) -> None:
        if self.submitted is not None or self.training is None:
            return
        if _is_plain(self._work / handover.SUBMISSION_FILE):
            self.submitted = now
            self.failure = self.failure or take_submission(self.spec)
            with self._counting:
                self._cpu.look_around()
                self._trained = self._clock.seconds(now)
            write_live(self.spec.folder, "submit")

    def _late(self, now: float) -> Failure | None:
        spec = self.spec
        taken = now - self.started
        if taken > spec.wall_seconds:
            detail = f"no submission after {taken:.0f} s, {spec.wall_seconds:g} allowed"
            return Failure(Reason.DEADLINE, detail)
        trained = self._clock.seconds(now)
        if trained > allowed_seconds(spec.train_seconds) + spec.compile_seconds:
            detail = (
                f"no submission after {trained:.0f} s of training; the budget is "
                f"{spec.train_seconds:g} s, and {spec.compile_seconds:g} s at most for compilation"
            )
            return Failure(Reason.DEADLINE, detail)
        return None

    def _over_gpu_memory(self, processes: Sequence[psutil.Process]) -> Failure | None:
        used = self.gpu.look({os.getpid(), *(process.pid for process in processes)})
        limit = self.spec.gpu_memory_mb
        if limit is not None and used > limit:
            detail = f"{used:,.0f} MB of the GPU's memory used, {limit:,.0f} MB allowed"
            return Failure(Reason.OUT_OF_MEMORY, detail)
        return None


def _is_plain(path: Path) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False
