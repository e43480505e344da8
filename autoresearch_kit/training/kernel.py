"""Training notebooks import this to obey their budget, log, and hand their model over.

    run = kernel.start(DATASET, TRAIN_SECONDS, SEED)
    batches = run.batches(16)
    for step in run.steps():
        x, y = next(batches)
        with run.autocast():
            loss = ...
        run.log(loss=loss, tokens=x.numel())
    run.submit(model)

A GPU may need more: `run.accumulate` takes a step in as many passes as its memory makes necessary,
`run.scaler` scales losses where float16 is all that the GPU has.

Under the runner, all files go to the run's work folder. By hand, in JupyterLab, the run shows a
progress bar, and `submit` draws the loss curve, scores the model and prints its score.
"""

import os
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import torch
import torch._dynamo  # else making an optimizer imports it, seconds into the budget
from IPython.core.getipython import get_ipython
from torch import Tensor
from tqdm.auto import tqdm

from autoresearch_kit.errors import SubmissionError, TrainingError
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.runner.clock import BudgetClock, Followed, ToldClock
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.machine import precision
from autoresearch_kit.records import Reason
from autoresearch_kit.records.codec import encode
from autoresearch_kit.tasks.lm.batches import batches
from autoresearch_kit.tasks.lm.dataset import Dataset, find_prepared, open_dataset
from autoresearch_kit.training import submission
from autoresearch_kit.training.loss_curve import LossCurve
from autoresearch_kit.training.passes import Backward, Batch, Passes

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

COMPILE_SECONDS = 300.0
"""Seconds of compilation that the budget excludes at most, by hand; else the runner says it."""

BAR = "{l_bar}{bar}| {n:.0f} of {total:.0f} s{postfix}"
"""The progress bar by hand, without the rate at which seconds pass."""

MODEL_NAME = "model"
"""The notebook's variable that its locked `submit` cell hands over."""


class TrainingRun:
    """One training under a budget of seconds, made by `start`.

    `vocab_size` is V; `context` is T, the length of the sequences that models are scored on.
    """

    def __init__(self, dataset: Dataset, train_seconds: float, seed: int, work: Path) -> None:
        self.vocab_size = dataset.info.vocab_size
        self.context = dataset.info.context
        self.seed = seed
        self.train_seconds = train_seconds
        told = os.environ.get(handover.DEVICE)
        self.device = precision.expected(told) if told else precision.device()
        self.scaler = precision.loss_scaler(self.device)
        self.step = 0
        self.tokens = 0
        self._dataset = dataset
        self._work = work
        self._headless = handover.WORK in os.environ
        self._bar = tqdm(total=100, unit="%", disable=True)
        self._curve = LossCurve(work / handover.METRICS_FILE, self.vocab_size)
        self._clock = _budget_clock()
        self._passes = Passes(tqdm.write)

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

    def autocast(self) -> torch.autocast:
        """Return a fresh context for the precision of training and scoring."""
        return precision.autocast(self.device)

    def batches(self, batch_size: int, context: int | None = None) -> Iterator[Batch]:
        """Yield inputs and targets, int64 `[batch_size, context]` on the device, without end.

        Their order is the kit's, drawn from the run's seed. `context` is T unless given; with less,
        rows are cut, and only the first part of each begins at BOS.
        """
        pinned = self.device.type == "cuda"
        for x, y in batches(self._dataset.train, context or self.context, batch_size, self.seed):
            if pinned:
                x, y = x.pin_memory(), y.pin_memory()
            yield x.to(self.device, non_blocking=pinned), y.to(self.device, non_blocking=pinned)

    def accumulate(
        self, backward: Backward, batches: Sequence[Batch], model: torch.nn.Module
    ) -> Tensor:
        """Add up the gradients of one step's batches; return their mean loss, on the device.

        `backward(batches)` runs each of them forward and backward. Where memory ends, it is called
        again with more batches of half the rows, in this step and all later ones, and a line says
        so. A step has the same rows on every device.

        Raises:
            torch.OutOfMemoryError: one row is too much.
        """
        return self._passes.gradients(backward, batches, model.zero_grad)

    def steps(self) -> Iterator[int]:
        """Yield step numbers, from 0, until the budget has no room for another typical step.

        The first steps may compile: see `BudgetClock`. Before the first, the notebook's variable
        `model` is pickled for trial, so that a model that can't be handed over costs no budget.

        Raises:
            SubmissionError: the model can't be pickled.
        """
        if handover.PROFILE not in os.environ:
            return self._steps()
        # here, since a scored run has no profiler
        from autoresearch_kit.training.step_watch import watched

        file = self._work / handover.PROFILE_FILE
        return watched(self._steps(), lambda: self.progress, self.device, file)

    def _steps(self) -> Iterator[int]:
        shell = get_ipython()
        if shell and (model := shell.user_ns.get(MODEL_NAME)) is not None:
            before = self._clock.now
            self._pickle(model)
            self._clock.exclude(self._clock.now - before)
        total = round(self.train_seconds)
        self._bar = tqdm(total=total, bar_format=BAR, disable=self._headless, leave=True)
        self._clock.start_steps()
        while self._clock.seconds + self._clock.step_seconds < self.train_seconds:
            yield self.step
            self._clock.lap()
            self.step += 1
        self._curve.flush()
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

    def submit(self, model: torch.nn.Module) -> None:
        """Hand `model` over, eager, in whatever mode it is in; the judge sets `model.eval()`.

        By hand, the loss curve is shown, and the model is scored at once and its score printed.

        Raises:
            SubmissionError: the model can't be pickled; the message names what stands in the way.
        """
        self._curve.flush()
        with (self._work / handover.MODEL_FILE).open("wb") as file:
            self._pickle(model, file)
        peak = None
        if self.device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(self.device) / MEGABYTE
        claim = handover.Submitted(self.step, self.tokens, self._clock.excluded, peak)
        write_atomic(self._work / handover.SUBMISSION_FILE, encode(claim))
        if not self._headless:
            from autoresearch_kit.training.by_hand import show_result

            show_result(self._dataset, self._work, self.device)

    def __reduce__(self) -> tuple[type[submission.RunStub], tuple[int, int, int]]:
        # a model that refers to its run takes only constants along
        return submission.RunStub, (self.vocab_size, self.context, self.seed)

    def _pickle(self, model: object, file: "SupportsWrite[bytes] | None" = None) -> None:
        try:
            submission.save(model, file)
        except SubmissionError as error:
            self._fail(Reason.UNPICKLABLE, error)

    def _fail(self, reason: Reason, error: SubmissionError | TrainingError) -> NoReturn:
        """End the run for a reason that its record will show."""
        self._curve.flush()
        failure = handover.Failure(reason, str(error))
        write_atomic(self._work / handover.FAILURE_FILE, encode(failure))
        raise error


def start(dataset: str, train_seconds: float, seed: int) -> TrainingRun:
    """Open the data set, seed everything, and start the budget's clock.

    `dataset` is the name of a prepared data set, or the path that it was made of; under the
    runner the run's own is used.

    Raises:
        CorpusError: the data set is not there; the message says how to prepare it.
        ExecutionError: the runner says on which device to compute, and torch can't.
    """
    for seeder in (random.seed, np.random.seed, torch.manual_seed):
        seeder(seed)
    folder = os.environ.get(handover.DATASET) or find_prepared(dataset)
    if handover.WORK in os.environ:
        work = Path(os.environ[handover.WORK])
    else:
        from autoresearch_kit.training.by_hand import scratch_folder

        work = scratch_folder()
    return TrainingRun(open_dataset(Path(folder)), train_seconds, seed, work)


def _budget_clock() -> BudgetClock:
    """Make the clock that the runner asks for; by hand, one of the wall-clock."""
    excluded = os.environ.get(handover.COMPILE_SECONDS)
    allowance = Followed(Path(excluded), float) if excluded else lambda: COMPILE_SECONDS
    cpu = os.environ.get(handover.CLOCK)
    return BudgetClock(allowance, ToldClock(Path(cpu)) if cpu else time.perf_counter)
