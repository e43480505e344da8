"""The metric: bits per byte. Lower is better, and vocabularies of any size compare.

Its source is part of the fingerprint: edit it, and old scores are no longer comparable.
"""

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from autoresearch_kit.tasks.lm.packing import spread


def rows(shard: npt.NDArray[np.uint16], count: int) -> tuple[Tensor, Tensor]:
    """Rows spread evenly over a shard `[N, T + 1]`: inputs and targets, int64 `[count, T]` each.

    Targets are the inputs one token on. No token is a target twice.
    """
    picked = torch.from_numpy(shard[spread(len(shard), count)].astype(np.int64))
    return picked[:, :-1].contiguous(), picked[:, 1:].contiguous()


def nats_per_token(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of logits `[B, T, V]` with targets int64 `[B, T]`: float32 `[B, T]`, nats.

    Row by row, because a float32 copy of all logits may not fit.
    """
    return torch.stack(
        [
            cross_entropy(row.float(), target, reduction="none")
            for row, target in zip(logits, targets, strict=True)
        ]
    )


def target_bytes(targets: Tensor, token_bytes: Tensor) -> Tensor:
    """The bytes each target stands for, int64, shaped as the targets; 0 for specials."""
    return token_bytes.to(device=targets.device, dtype=torch.int64)[targets]


def val_bpb(nats_sum: float, bytes_sum: int) -> float:
    """Bits per byte: summed nats over summed bytes, over ln 2; specials belong in neither sum."""
    return nats_sum / (bytes_sum * math.log(2))
