"""Endless batches of a shard's rows, in an order that only the seed decides."""

from collections.abc import Iterator
from itertools import count

import numpy as np
import numpy.typing as npt
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from autoresearch_kit.errors import InputError


def batches(
    rows: npt.NDArray[np.uint16], context: int, batch_size: int, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs and targets, int64 `[B, context]` each, without end, from rows `[N, T + 1]`.

    An epoch yields each row once, in an order drawn anew. A `context` below T cuts each row into
    several, end to end from a first token that is drawn anew: only the first begins at BOS. A
    batch may span two epochs.

    Raises:
        InputError: there are no rows, they are shorter than the context, or the batch has none.
    """
    longest = rows.shape[1] - 1
    if not (len(rows) and 1 <= context <= longest and batch_size >= 1):
        raise InputError(
            f"batches of {batch_size} rows of {context} tokens, out of {len(rows):,} rows of "
            f"{longest:,}: give at least 1 row, of 1 to {longest:,} tokens"
        )
    windows = sliding_window_view(rows, context + 1, axis=1)
    epochs = (_epoch(len(rows), longest, context, [seed, number]) for number in count())
    starts = next(epochs)
    while True:
        while len(starts) < batch_size:
            starts = np.concatenate((starts, next(epochs)))
        row, start = np.divmod(starts[:batch_size], windows.shape[1])
        picked = windows[row, start]
        yield _int64(picked[:, :-1]), _int64(picked[:, 1:])
        starts = starts[batch_size:]


def _int64(tokens: npt.NDArray[np.uint16]) -> Tensor:
    return torch.from_numpy(tokens.astype(np.int64))


def _epoch(rows: int, longest: int, context: int, seed: list[int]) -> npt.NDArray[np.int64]:
    """Return the starts of an epoch's windows, as row * (windows in a row) + start in the row."""
    draw = np.random.default_rng(seed)
    parts, spare = divmod(longest, context)
    phase = draw.integers(spare + 1)
    row, part = np.divmod(draw.permutation(rows * parts), parts)
    starts: npt.NDArray[np.int64] = row * (longest - context + 1) + phase + part * context
    return starts
