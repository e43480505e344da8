"""The seam of a task: what the judge calls to score a predictor."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from autoresearch_kit.tasks.lm.bits_per_byte import nats_per_token, target_bytes, val_bpb

METRIC = "val_bpb"
LOWER_IS_BETTER = True

Predict = Callable[[Tensor], Tensor]
"""Inputs int64 `[B, T]` to logits `[B, T, V]`."""


@dataclass(frozen=True)
class Sums:
    """What scoring a shard adds up to; specials are in neither `nats`, `bytes` nor `tokens`."""

    nats: float
    bytes: int
    tokens: int

    @property
    def value(self) -> float:
        """The metric, in bits per byte."""
        return val_bpb(self.nats, self.bytes)


def losses(predict: Predict, inputs: Tensor, targets: Tensor, batch_size: int) -> Tensor:
    """Nats per token, float32 `[N, T]` on the CPU, predicted `batch_size` rows at a time."""
    parts = []
    for start in range(0, len(inputs), batch_size):
        logits = predict(inputs[start : start + batch_size])
        y = targets[start : start + batch_size].to(logits.device)
        parts.append(nats_per_token(logits, y).cpu())
    return torch.cat(parts)


def sums(loss: Tensor, targets: Tensor, token_bytes: Tensor) -> Sums:
    """Add up losses `[N, T]` over the targets that stand for bytes (token_bytes `[V]`)."""
    sizes = target_bytes(targets, token_bytes)
    scored = sizes > 0
    nats = loss.to(torch.float64)[scored].sum().item()
    return Sums(nats, int(sizes.sum().item()), int(scored.sum().item()))


def score(
    predict: Predict, inputs: Tensor, targets: Tensor, token_bytes: Tensor, batch_size: int
) -> Sums:
    """Score a predictor on rows `[N, T]` of a shard."""
    return sums(losses(predict, inputs, targets, batch_size), targets, token_bytes)
