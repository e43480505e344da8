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

import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from IPython.core.getipython import get_ipython
from torch import Tensor
from tqdm.auto import tqdm

from autoresearch_kit.execution import handover
from autoresearch_kit.machine import precision
from autoresearch_kit.tasks.lm.batches import batches
from autoresearch_kit.tasks.lm.dataset import Dataset, find_prepared, open_dataset
from autoresearch_kit.training.budgeted_run import BudgetedRun, seed_all, work_folder
from autoresearch_kit.training.submission import RunStub

MODEL_NAME = "model"  # the notebook's variable that its locked `submit` cell hands over
Batch = tuple[Tensor, Tensor]  # inputs and targets, int64 `[rows, T]` each

Backward = Callable[[Sequence[Batch]], Tensor]
"""A function of a step's micro-batches: adds their gradients to the parameters', each micro-batch
with the same weight, and returns their mean loss."""


class Passes:
    """Runs a step's rows through the model: a batch at once, fewer rows after memory ran out."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell
        self._rows: int | None = None

    def gradients(
        self, backward: Backward, batches: Sequence[Batch], forget: Callable[[], None]
    ) -> Tensor:
        """Add up the gradients of one step's `batches`, equally large; return their mean loss.

        Out of memory, the step starts over with half as many rows at once (fewer, where half does
        not divide a batch), and so do all later steps: more passes, and the same rows in all.
        `forget` drops the gradients that are there.

        Raises:
            torch.OutOfMemoryError: one row is too much.
        """
        whole = len(batches[0][0])
        rows = min(self._rows or whole, whole)
        while (loss := self._try(backward, batches, rows)) is None:
            forget()
            torch.cuda.empty_cache()
            before, rows = rows, _halved(rows, whole)
            how = f"going on with {rows}, in {len(batches) * whole // rows} passes a step"
            self._tell(f"out of memory with {before} rows at once: {how}")
            self._rows = rows
        return loss

    def _try(self, backward: Backward, batches: Sequence[Batch], rows: int) -> Tensor | None:
        try:
            return backward([piece for batch in batches for piece in _split(batch, rows)])
        except Exception as error:
            if rows == 1 or not _ran_out(error):
                raise
            return None  # from here, so that no traceback keeps activations alive


def _halved(rows: int, whole: int) -> int:
    return next(size for size in range(rows // 2, 0, -1) if whole % size == 0)


def _ran_out(error: BaseException | None) -> bool:
    """Return whether memory ran out, also in a compiler, which wraps the error in its own."""
    while error is not None and not isinstance(error, torch.OutOfMemoryError):
        error = error.__cause__ or error.__context__
    return error is not None


def _split(batch: Batch, rows: int) -> list[Batch]:
    x, y = batch
    return [(x[start : start + rows], y[start : start + rows]) for start in range(0, len(x), rows)]


class TrainingRun(BudgetedRun):
    """One training of a language model, made by `start`.

    `vocab_size` is V; `context` is T, the length of the sequences that models are scored on.
    """

    def __init__(self, dataset: Dataset, train_seconds: float, seed: int, work: Path) -> None:
        self.vocab_size = dataset.info.vocab_size
        self.context = dataset.info.context
        self._dataset = dataset
        self._passes = Passes(tqdm.write)
        super().__init__(train_seconds, seed, work, math.log(self.vocab_size))
        self.scaler = precision.loss_scaler(self.device)

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

    def _steps(self) -> Iterator[int]:
        """Yield the steps; before, `model` is pickled for trial, which costs no budget."""
        shell = get_ipython()
        if shell and (model := shell.user_ns.get(MODEL_NAME)) is not None:
            before = self._clock.now
            self._pickle(model, MODEL_NAME)
            self._clock.exclude(self._clock.now - before)
        yield from super()._steps()

    def submit(self, model: torch.nn.Module) -> None:
        """Hand `model` over, eager, in whatever mode it is in; the judge sets `model.eval()`.

        By hand, the loss curve is shown, and the model is scored at once and its score printed.

        Raises:
            SubmissionError: the model can't be pickled; the message names what stands in the way.
        """
        self._curve.flush()
        with (self._work / handover.MODEL_FILE).open("wb") as file:
            self._pickle(model, MODEL_NAME, file)
        self._claim_submitted(self.step, self.tokens)
        if not self._headless:
            from autoresearch_kit.training.by_hand import show_result

            show_result(self._dataset, self._work, self.device, self.train_seconds)

    def __reduce__(self) -> tuple[type[RunStub], tuple[dict[str, int]]]:
        # a model that refers to its run takes only constants along
        return RunStub, ({name: getattr(self, name) for name in ("vocab_size", "context", "seed")},)


def start(dataset: str, train_seconds: float, seed: int) -> TrainingRun:
    """Open the data set, seed everything, and start the budget's clock.

    `dataset` is the name of a prepared data set, or the path that it was made of; under the
    runner the run's own is used.

    Raises:
        CorpusError: the data set is not there; the message says how to prepare it.
        ExecutionError: the runner says on which device to compute, and torch can't.
    """
    seed_all(seed)
    folder = os.environ.get(handover.DATASET) or find_prepared(dataset)
    return TrainingRun(open_dataset(Path(folder)), train_seconds, seed, work_folder())
