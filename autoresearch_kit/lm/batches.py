"""Endless batches out of a shard, in an order that only the seed decides."""

from collections.abc import Iterator
from itertools import count

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from autoresearch_kit.errors import InputError


def batches(
    tokens: npt.NDArray[np.uint16], context: int, batch_size: int, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs and targets, int64 `[B, T]` each, without end.

    An epoch cuts the shard into rows of T end to end, from a first token that is drawn anew, and
    yields each row once, in an order drawn anew. A batch may span two epochs.

    Raises:
        InputError: the shard has not one row of `context`, or the batch has no row.
    """
    if len(tokens) <= context or batch_size < 1:
        raise InputError(
            f"batches of {batch_size} rows of {context} tokens: give at least 1 row, of at most "
            f"{len(tokens) - 1:,} tokens"
        )
    order = _row_starts(len(tokens), context, seed)
    span = np.arange(context + 1)
    while True:
        starts = np.fromiter(order, dtype=np.int64, count=batch_size)
        block = torch.from_numpy(tokens[starts[:, None] + span].astype(np.int64))
        yield block[:, :-1].contiguous(), block[:, 1:].contiguous()


def _row_starts(length: int, context: int, seed: int) -> Iterator[int]:
    """Where rows begin, epoch after epoch."""
    for epoch in count():
        draw = np.random.default_rng([seed, epoch])
        phase = int(draw.integers(min(context, length - context)))
        rows = (length - phase - 1) // context
        yield from (phase + context * draw.permutation(rows)).tolist()
