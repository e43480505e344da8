"""Bits per byte: the metric that lets models with vocabularies of any size compare.

A change that changes a score must raise `SCORING_VERSION` in `task.py`. Nothing here needs torch,
which takes seconds to import.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoresearch_kit.tasks.lm.packing import spread


@dataclass(frozen=True)
class Sums:
    """Losses and bytes summed over the scored tokens; BOS is in none of the sums."""

    nats: float
    bytes: int
    tokens: int

    @property
    def value(self) -> float:
        """Return bits per byte: nats over bytes, over ln 2."""
        return self.nats / (self.bytes * math.log(2))


def rows(
    shard: npt.NDArray[np.uint16], count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Take rows spread evenly over a shard `[N, T + 1]`: inputs and targets, int64 `[count, T]`.

    Targets are the inputs one token on. No token is a target twice.
    """
    picked = shard[spread(len(shard), count)].astype(np.int64)
    return picked[:, :-1], picked[:, 1:]


def nats_per_token(
    logits: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Return the cross-entropy of logits `[B, T, V]` with targets, float32 `[B, T]`, in nats.

    It is infinite where logits differ by more than float32 holds.
    """
    nats = np.empty(targets.shape, np.float32)
    # row by row, since the exponentials of a whole batch would need as much memory again
    for row, (of_row, wanted) in enumerate(zip(logits, targets, strict=True)):
        with np.errstate(over="ignore"):
            shifted = of_row - of_row.max(-1, keepdims=True)  # so that no exponential overflows
        of_target = np.take_along_axis(shifted, wanted[:, None], -1)[:, 0]
        nats[row] = np.log(np.exp(shifted, out=shifted).sum(-1)) - of_target
    return nats


def sums(
    losses: npt.NDArray[np.float32],
    targets: npt.NDArray[np.int64],
    token_bytes: npt.NDArray[np.int64],
) -> Sums:
    """Add up losses `[N, T]` in float64, over the targets that stand for bytes.

    `token_bytes` `[V]` says how many; BOS stands for none.
    """
    sizes = token_bytes[targets]
    scored = sizes > 0
    nats = losses[scored].sum(dtype=np.float64)
    return Sums(float(nats), int(sizes.sum()), int(scored.sum()))
