"""A training step in as many passes through the model as its memory makes necessary."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor]
"""Inputs and targets, int64 `[rows, T]` each."""

Backward = Callable[[Tensor, Tensor, float], Tensor]
"""Takes inputs, targets and the pass's share of the step; adds that share of their gradients to the
parameters', and returns their mean loss."""


class Passes:
    """Sends rows through the model: a batch at once, fewer once memory ran out."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell
        self._rows: int | None = None

    def gradients(
        self, backward: Backward, batches: Sequence[Batch], forget: Callable[[], None]
    ) -> Tensor:
        """Add up the gradients of one step's `batches`, equally large; returns their mean loss.

        Out of memory, the step starts over with half as many rows at once (fewer, where half does
        not divide a batch), and so do all later steps: more passes, and the same rows in all.
        `forget` drops the gradients that are there.

        Raises:
            torch.OutOfMemoryError: one row is too much.
        """
        whole = len(batches[0][0])
        rows = min(self._rows or whole, whole)
        while (loss := self._tried(backward, batches, rows)) is None:
            forget()
            torch.cuda.empty_cache()
            rows = self._fewer(rows, whole, len(batches))
        return loss

    def _tried(self, backward: Backward, batches: Sequence[Batch], rows: int) -> Tensor | None:
        """Return the mean loss; None where memory ran out; then no traceback holds activations."""
        pieces = [piece for batch in batches for piece in _split(batch, rows)]
        try:
            losses = [backward(x, y, 1 / len(pieces)) for x, y in pieces]
        except Exception as error:
            if rows == 1 or not _ran_out(error):
                raise
            return None
        return torch.stack(losses).mean()

    def _fewer(self, rows: int, whole: int, batches: int) -> int:
        fewer = next(size for size in range(rows // 2, 0, -1) if whole % size == 0)
        passes = batches * whole // fewer
        how = f"going on with {fewer}, in {passes} passes a step"
        self._tell(f"out of memory with {rows} rows at once: {how}")
        self._rows = fewer
        return fewer


def _ran_out(error: BaseException | None) -> bool:
    """Return whether memory ran out, also while a compiler tried its kernels, which says so in its
    own words."""
    while error is not None and not isinstance(error, torch.OutOfMemoryError):
        error = error.__cause__ or error.__context__
    return error is not None


def _split(batch: Batch, rows: int) -> list[Batch]:
    x, y = batch
    return [(x[start : start + rows], y[start : start + rows]) for start in range(0, len(x), rows)]
