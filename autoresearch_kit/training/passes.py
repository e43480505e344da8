"""Take a training step in as many passes through the model as its memory makes necessary."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor]
"""Inputs and targets, int64 `[rows, T]` each."""

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
