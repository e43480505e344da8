"""A training run under a budget of seconds, whatever its task: steps, losses, the hand-over."""

import json
import math
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import torch
import torch._dynamo  # else making an optimizer imports it, seconds into the budget
from torch import Tensor
from tqdm.auto import tqdm

from autoresearch_kit.errors import SubmissionError, TrainingError
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.runner.clock import BudgetClock, NotebookClock, RefreshedFile
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.machine import precision
from autoresearch_kit.records import Reason
from autoresearch_kit.records.codec import encode
from autoresearch_kit.training import submission

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

LINE_SECONDS = 0.1
"""Steps faster than this share a line of the loss curve; the first and the last have their own."""

SETTLED_STEPS = 20  # steps in which a loss may be anything finite
EXPLODED = 3.0  # times the loss of a uniform guess, ln V over V tokens: see `why_diverged`


class LossCurve:
    """The loss curve of a run, in JSON lines; `uniform_loss` is that of a uniform guess."""

    def __init__(self, file: Path, uniform_loss: float | None) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._uniform = uniform_loss
        self._best = math.inf
        self._pending: dict[str, float] = {}
        self._next_line = 0.0

    def add(self, line: dict[str, float]) -> bool:
        """Add a step's line; return whether lines were written."""
        self._pending = line
        now = time.perf_counter()
        if now < self._next_line:
            return False
        self._next_line = now + LINE_SECONDS
        self.flush()
        return True

    def flush(self) -> None:
        """Write the latest line, unless that was done."""
        if self._pending:
            # a single write to the end of the file: no line is lost if the kernel dies
            os.write(self._file, json.dumps(self._pending).encode() + b"\n")
            self._pending = {}

    def why_diverged(self, step: int, loss: float) -> str:
        """Say in one line why the run should end: the loss is not finite, or it has exploded.

        A loss can have exploded only where that of a uniform guess is known: others are on any
        scale. It means, after `SETTLED_STEPS`, more than three times the loss of a uniform guess
        and twice the best so far; the second half is for losses that sum several terms.
        (karpathy/autoresearch gives up at 100 nats.)
        """
        self._best = min(self._best, loss)
        what = f"loss {loss:.4g} at step {step}"
        if not math.isfinite(loss):
            return what
        if self._uniform is None:
            return ""
        limit = max(EXPLODED * self._uniform, 2 * self._best)
        if step >= SETTLED_STEPS and loss > limit:
            return f"{what} is above {limit:.4g}: it has exploded"
        return ""


COMPILE_SECONDS = 300.0
"""Seconds of compilation that the budget excludes at most, by hand; else the runner says it."""

BAR = "{l_bar}{bar}| {n:.0f} of {total:.0f} s{postfix}"
"""The progress bar by hand, without the rate at which seconds pass."""


class BudgetedRun:
    """One training under a budget of seconds, which begins when this is made.

    Files go to the folder `work`. `uniform_loss` is the loss of a uniform guess in nats, where that
    is known: see `LossCurve.why_diverged`.
    """

    def __init__(
        self, train_seconds: float, seed: int, work: Path, uniform_loss: float | None = None
    ) -> None:
        self.seed = seed
        self.train_seconds = train_seconds
        name = os.environ.get(handover.DEVICE)
        self.device = precision.expected(name) if name else precision.device()
        self.step = 0
        self.tokens = 0
        self._work = work
        self._headless = handover.WORK in os.environ
        self._bar = tqdm(total=100, unit="%", disable=True)
        self._curve = LossCurve(work / handover.METRICS_FILE, uniform_loss)
        self._clock = _budget_clock()

    @property
    def seconds(self) -> float:
        """Return the training seconds since `start` returned, compilation left out.

        Under a campaign's CPU clock they are CPU seconds over the threads, else of the wall-clock.
        """
        return self._clock.seconds

    @property
    def progress(self) -> float:
        """Return how much of the budget is spent, in [0, 1]; schedules are a function of it."""
        return min(self.seconds / self.train_seconds, 1.0)

    def steps(self) -> Iterator[int]:
        """Yield step numbers, from 0, until the budget has no room for another typical step.

        The first steps may compile: see `BudgetClock`.
        """
        if handover.PROFILE not in os.environ:
            return self._steps()
        # here, since a scored run has no profiler
        from autoresearch_kit.training.step_watch import watched

        file = self._work / handover.PROFILE_FILE
        return watched(self._steps(), lambda: self.progress, self.device, file)

    def _steps(self) -> Iterator[int]:
        total = round(self.train_seconds)
        self._bar = tqdm(total=total, bar_format=BAR, disable=self._headless, leave=True)
        self._clock.start_steps()
        while self._clock.seconds + self._clock.step_seconds < self.train_seconds:
            yield self.step
            self._clock.lap()
            self.step += 1
        self._curve.flush()
        self._bar.update(total - self._bar.n)  # a bar that is not full turns red
        self._bar.close()

    def log(self, *, loss: float | Tensor, tokens: int = 0, **extra: float) -> None:
        """Note the loss of this step, in nats per token, and the tokens it trained on.

        `extra` are numbers to keep beside it. On a GPU this waits for the loss to be computed. Not
        every loss is written, but each is looked at, and one that diverged ends the run: see
        `loss_curve`.

        Raises:
            TrainingError: the loss is not finite, or has exploded.
        """
        value = float(loss.detach() if isinstance(loss, Tensor) else loss)
        self.tokens += tokens
        if why := self._curve.why_diverged(self.step, value):
            self._fail(Reason.DIVERGED, TrainingError(why))
        seconds = round(self._clock.seconds, 4)
        line = {"step": self.step, "seconds": seconds, "loss": value, "tokens": self.tokens}
        if self._curve.add(line | extra):
            self._bar.set_postfix(step=self.step, loss=f"{value:.4f}")
            self._bar.update(round(seconds, 1) - self._bar.n)

    def _claim_submitted(self, steps: int, tokens: int) -> None:
        """Write down that all is handed over, after so many steps: training ends."""
        peak = None
        if self.device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(self.device) / MEGABYTE
        claim = handover.Submitted(steps, tokens, self._clock.excluded, peak)
        write_atomic(self._work / handover.SUBMISSION_FILE, encode(claim))

    def _pickle(self, thing: object, name: str, file: "SupportsWrite[bytes] | None" = None) -> None:
        try:
            submission.save(thing, file, name=name)
        except SubmissionError as error:
            self._fail(Reason.UNPICKLABLE, error)

    def _fail(self, reason: Reason, error: SubmissionError | TrainingError) -> NoReturn:
        """End the run with a reason, which its record will show."""
        self._curve.flush()
        failure = handover.Failure(reason, str(error))
        write_atomic(self._work / handover.FAILURE_FILE, encode(failure))
        raise error


def seed_all(seed: int) -> None:
    """Seed Python's, numpy's and torch's random numbers."""
    for seeder in (random.seed, np.random.seed, torch.manual_seed):
        seeder(seed)


def work_folder() -> Path:
    """Return the folder for the run's files: the runner's, by hand one that is soon gone."""
    if handover.WORK in os.environ:
        return Path(os.environ[handover.WORK])
    from autoresearch_kit.training.by_hand import scratch_folder

    return scratch_folder()


def _budget_clock() -> BudgetClock:
    """Make the clock that the runner asks for; by hand, one of the wall-clock."""
    excluded = os.environ.get(handover.COMPILE_SECONDS)
    allowance = RefreshedFile(Path(excluded), float) if excluded else lambda: COMPILE_SECONDS
    cpu = os.environ.get(handover.CLOCK)
    return BudgetClock(allowance, NotebookClock(Path(cpu)) if cpu else time.perf_counter)
