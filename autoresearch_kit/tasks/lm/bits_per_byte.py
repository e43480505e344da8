"""The metric: bits per byte. Lower is better, and vocabularies of any size compare.

Its source is part of the fingerprint: edit it, and old scores are no longer comparable. It needs no
torch, which takes seconds to import.
"""

import math

import numpy as np
import numpy.typing as npt

from autoresearch_kit.tasks.lm.packing import spread


def rows(
    shard: npt.NDArray[np.uint16], count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows spread evenly over a shard `[N, T + 1]`: inputs and targets, int64 `[count, T]` each.

    Targets are the inputs one token on. No token is a target twice.
    """
    picked = shard[spread(len(shard), count)].astype(np.int64)
    return picked[:, :-1], picked[:, 1:]


def nats_per_token(
    logits: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Cross-entropy of logits `[B, T, V]` with targets `[B, T]`: float32 `[B, T]`, in nats.

    It is infinite where logits differ by more than float32 holds. Row by row, so that what is
    computed on the way stays small.
    """
    with np.errstate(over="ignore"):
        return np.stack([_row_nats(*row) for row in zip(logits, targets, strict=True)])


def _row_nats(
    logits: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    shifted = logits - logits.max(-1, keepdims=True)  # so that no exponential overflows
    of_target = np.take_along_axis(shifted, targets[:, None], -1)[:, 0]
    nats: npt.NDArray[np.float32] = np.log(np.exp(shifted, out=shifted).sum(-1)) - of_target
    return nats


def val_bpb(nats_sum: float, bytes_sum: int) -> float:
    """Bits per byte: summed nats over summed bytes, over ln 2; specials belong in neither sum."""
    return nats_sum / (bytes_sum * math.log(2))
