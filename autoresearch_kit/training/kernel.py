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

Under the runner, what it writes goes to the run's work folder. By hand, in JupyterLab, it shows a
progress bar, and `submit` draws the loss curve, scores the model and prints its score.
"""

import atexit
import json
import math
import os
import random
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
import torch._dynamo  # else making an optimizer imports it, seconds into the budget
from IPython.core.getipython import get_ipython
from IPython.display import display
from torch import Tensor
from tqdm.auto import tqdm

from autoresearch_kit.errors import SubmissionError, TrainingError
from autoresearch_kit.execution import handover, machine_probe
from autoresearch_kit.execution.judge import scoring
from autoresearch_kit.execution.judge.scoring import JudgeSpec
from autoresearch_kit.execution.runner.clock import BudgetClock, Followed, ToldClock
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.machine import cgroups, precision
from autoresearch_kit.records import Reason, Sight
from autoresearch_kit.records.codec import encode
from autoresearch_kit.tasks.lm.batches import batches
from autoresearch_kit.tasks.lm.dataset import Dataset, find_prepared, open_dataset
from autoresearch_kit.training import submission
from autoresearch_kit.training.passes import Backward, Batch, Passes

LOG_SECONDS = 0.1
"""Steps faster than this share a line of the loss curve; the first and the last have their own."""

COMPILE_SECONDS = 300.0
"""By hand: how much compilation the budget excludes at most. The runner says how much it does."""

BAR = "{l_bar}{bar}| {n:.0f} of {total:.0f} s{postfix}"
"""By hand: the progress bar, without the rate at which seconds pass."""

MODEL_NAME = "model"
"""The notebook's name for what its locked `submit` cell hands over."""

SETTLED_STEPS = 20
"""Steps in which a loss may be anything finite."""

EXPLODED = 3.0
"""Times ln V, the loss of a uniform guess over V tokens: see `TrainingRun.log`."""

_now = time.perf_counter


@dataclass(frozen=True)
class _Line:
    """One line of the loss curve."""

    step: int
    seconds: float
    loss: float
    tokens: int
    extra: dict[str, float]

    def encode(self) -> bytes:
        fixed = {"step": self.step, "seconds": round(self.seconds, 4), "loss": self.loss}
        return json.dumps(fixed | {"tokens": self.tokens} | self.extra).encode() + b"\n"


class TrainingRun:
    """One training under a budget of seconds. `start` makes it.

    `vocab_size` is V, `context` is T, the length of the sequences that models are scored on.
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
        self._metrics = os.open(
            work / handover.METRICS_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644
        )
        self._pending: _Line | None = None
        self._next_line = 0.0
        self._best = math.inf
        self._clock = BudgetClock(_allowance(), _clock())
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

        `backward(batches)` runs each of them forward and backward. Where memory ends it is called
        again with more batches of half the rows, and so from then on; that is said once. So a step
        is the same rows on every device.

        Raises:
            torch.OutOfMemoryError: one row is too much.
        """
        return self._passes.gradients(backward, batches, model.zero_grad)

    def steps(self) -> Iterator[int]:
        """Yield step numbers, from 0, until the budget has no room for another typical step.

        The first steps may compile: see `BudgetClock`. Before the first, the model is pickled for
        trial, so that one that can't be handed over costs no budget: the notebook's variable
        `model`, where there is one.

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
        self._rehearse()
        self._bar = tqdm(
            total=round(self.train_seconds), bar_format=BAR, disable=self._headless, leave=True
        )
        self._clock.start_steps()
        while self._clock.seconds + self._clock.step_seconds < self.train_seconds:
            yield self.step
            self._clock.lap()
            self.step += 1
        self._flush()
        self._bar.close()

    def log(self, *, loss: float | Tensor, tokens: int = 0, **extra: float) -> None:
        """Note the loss of this step, in nats per token, and the tokens it trained on.

        `extra` are numbers to keep beside it. On a GPU this waits for the loss to be computed.
        Lines are written every `LOG_SECONDS` at most, but every loss given is looked at: one that
        is not finite, or has exploded, ends the run. Exploded means, after `SETTLED_STEPS`, more
        than three times the loss of a uniform guess and twice the best so far; the second half is
        for losses that sum several terms. (karpathy/autoresearch gives up at 100 nats.)

        Raises:
            TrainingError: the loss is not finite, or has exploded.
        """
        value = float(loss.detach() if isinstance(loss, Tensor) else loss)
        self.tokens += tokens
        self._check(value)
        now = _now()
        self._pending = _Line(self.step, self._clock.seconds, value, self.tokens, extra)
        if now >= self._next_line:
            self._next_line = now + LOG_SECONDS
            self._flush()

    def submit(self, model: torch.nn.Module) -> None:
        """Hand `model` over, eager, in whatever mode it is in; the judge sets `model.eval()`.

        By hand, the loss curve is shown, and the model is scored at once and its score printed.

        Raises:
            SubmissionError: the model can't be pickled; the message names what stands in the way.
        """
        self._flush()
        try:
            with (self._work / handover.MODEL_FILE).open("wb") as file:
                submission.save(model, file)
        except SubmissionError as error:
            self._fail(Reason.UNPICKLABLE, error)
        claim = handover.Submitted(
            self.step, self.tokens, self._clock.excluded, self._allocated_mb()
        )
        write_atomic(self._work / handover.SUBMISSION_FILE, encode(claim))
        if not self._headless:
            self._show_curve()
            self._score()

    def __reduce__(self) -> tuple[type[submission.RunStub], tuple[int, int, int]]:
        return submission.RunStub, (self.vocab_size, self.context, self.seed)

    def _rehearse(self) -> None:
        """Pickle the notebook's model for trial: a cell's variables are in IPython's namespace."""
        shell = get_ipython()
        model = shell.user_ns.get(MODEL_NAME) if shell else None
        if model is None:
            return
        before = self._clock.now
        try:
            submission.rehearse(model)
        except SubmissionError as error:
            self._fail(Reason.UNPICKLABLE, error)
        self._clock.exclude(self._clock.now - before)

    def _allocated_mb(self) -> float | None:
        """Return the peak of the GPU's memory as torch's allocator counts it; None without CUDA."""
        if self.device.type != "cuda":
            return None
        return torch.cuda.max_memory_allocated(self.device) / MEGABYTE

    def _check(self, loss: float) -> None:
        self._best = min(self._best, loss)
        limit = max(EXPLODED * math.log(self.vocab_size), 2 * self._best)
        if not math.isfinite(loss):
            self._fail(Reason.DIVERGED, TrainingError(f"loss {loss} at step {self.step}"))
        if self.step >= SETTLED_STEPS and loss > limit:
            what = f"loss {loss:.4g} at step {self.step} is above {limit:.4g}: it has exploded"
            self._fail(Reason.DIVERGED, TrainingError(what))

    def _fail(self, reason: Reason, error: SubmissionError | TrainingError) -> NoReturn:
        """End the run for a reason that its record will show."""
        self._flush()
        failure = handover.Failure(reason, str(error))
        write_atomic(self._work / handover.FAILURE_FILE, encode(failure))
        raise error

    def _flush(self) -> None:
        if self._pending:
            os.write(self._metrics, self._pending.encode())
            self._bar.set_postfix(step=self._pending.step, loss=f"{self._pending.loss:.4f}")
            self._bar.update(round(self._clock.seconds, 1) - self._bar.n)
            self._pending = None

    def _show_curve(self) -> None:
        # here, since pandas and matplotlib have no business in a run that nobody watches
        from autoresearch_kit.reports.figures.loss_curves import loss_curves, read_curve

        lines = (self._work / handover.METRICS_FILE).read_bytes()
        display(loss_curves({"this run": read_curve(lines)}))

    def _score(self) -> None:
        # here, since a run that nobody watches has no business with corpora
        from autoresearch_kit.tasks.lm.corpora import hidden_here

        info = self._dataset.info
        spec = JudgeSpec(
            dataset=self._dataset.folder.absolute(),
            submission=(self._work / handover.MODEL_FILE).absolute(),
            folder=_scratch(),
            kit=Path(__file__).parents[2],
            sandbox=bubblewrap.level(),
            run_id=f"by-hand-{uuid.uuid4()}",
            memory_mb=cgroups.memory_mb(),
            device=self.device.type,
            gpu=machine_probe.gpu_of(self.device),
            sight=Sight(_loaded(), hidden_here(info, info.name)),
        )
        score = scoring.score(spec)
        print(f"{score.metric} {score.value:.6f}")  # noqa: T201 - what the user asked to see


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
    work = os.environ.get(handover.WORK) or _scratch()
    return TrainingRun(open_dataset(Path(folder)), train_seconds, seed, Path(work))


def _allowance() -> Callable[[], float]:
    told = os.environ.get(handover.COMPILE_SECONDS)
    return Followed(Path(told), float) if told else lambda: COMPILE_SECONDS


def _clock() -> Callable[[], float]:
    told = os.environ.get(handover.CLOCK)
    return ToldClock(Path(told)) if told else _now


def _loaded() -> tuple[str, ...]:
    """Return the top-level modules that a model may need where it is scored."""
    loaded = {name.partition(".")[0] for name in sys.modules}
    return tuple(sorted(loaded - sys.stdlib_module_names))


def _scratch() -> Path:
    """Make a folder for work by hand, gone with the kernel."""
    folder = tempfile.mkdtemp(prefix="autoresearch-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
