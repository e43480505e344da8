"""Endless batches out of a shard, in an order that only the seed decides."""

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
    """Inputs and targets, int64 `[B, context]` each, without end, out of rows `[N, T + 1]`.

    An epoch yields each row once, in an order drawn anew. With a `context` below T a row counts
    as several, end to end from a first token that is drawn anew: only its first one begins at
    BOS. A batch may span two epochs.

    Raises:
        InputError: there are no rows, none of them is as long, or the batch has none.
    """
    longest = rows.shape[1] - 1
    if not (len(rows) and 1 <= context <= longest and batch_size >= 1):
        raise InputError(
            f"batches of {batch_size} rows of {context} tokens, out of {len(rows):,} rows of "
            f"{longest:,}: give at least 1 row, of 1 to {longest:,} tokens"
        )
    windows = sliding_window_view(rows, context + 1, axis=1)
    epochs = (_epoch(len(rows), longest, context, [seed, number]) for number in count())
    places = next(epochs)
    while True:
        while len(places) < batch_size:
            places = np.concatenate((places, next(epochs)))
        row, start = np.divmod(places[:batch_size], windows.shape[1])
        picked = windows[row, start]
        yield _int64(picked[:, :-1]), _int64(picked[:, 1:])
        places = places[batch_size:]


def _int64(tokens: npt.NDArray[np.uint16]) -> Tensor:
    return torch.from_numpy(tokens.astype(np.int64))


def _epoch(rows: int, longest: int, context: int, seed: list[int]) -> npt.NDArray[np.int64]:
    """Where windows begin: the number of the row times the windows it has, plus the window's."""
    draw = np.random.default_rng(seed)
    parts, spare = divmod(longest, context)
    phase = draw.integers(spare + 1)
    row, part = np.divmod(draw.permutation(rows * parts), parts)
    places: npt.NDArray[np.int64] = row * (longest - context + 1) + phase + part * context
    return places
