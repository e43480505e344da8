"""The seam of a task: what the judge calls to score a predictor, and to probe its causality."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from autoresearch_kit.lm.bits_per_byte import nats_per_token, target_bytes, val_bpb

METRIC = "val_bpb"
LOWER_IS_BETTER = True

TELLING_SHARE = 0.25
"""Of a row's targets, those that were predicted best: see `draw_cuts`."""

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


def draw_cuts(loss: Tensor, seed: int) -> Tensor:
    """Where to cut each row of losses `[N, T]`: int64 `[N]`, in 1..T-1.

    Every second row is cut anywhere; the others right after a target that was predicted well, one
    of the `TELLING_SHARE` best of its row: that is where a model that looks ahead did so.
    """
    count, context = loss.shape
    generator = torch.Generator().manual_seed(seed)
    anywhere = torch.randint(1, context, (count,), generator=generator)
    best = loss[:, :-1].argsort(dim=1)[:, : max(1, round(TELLING_SHARE * (context - 1)))]
    pick = torch.randint(0, best.shape[1], (count, 1), generator=generator)
    telling = 1 + best.gather(1, pick)[:, 0]
    return torch.where(torch.arange(count) % 2 == 0, anywhere, telling)


def refill(inputs: Tensor, cuts: Tensor, seed: int) -> Tensor:
    """Inputs `[N, T]`, in each row from its cut on replaced by tokens drawn from all rows.

    Positions before the cut are as they were. Single tokens are drawn, not tails, so that no row
    tells how another goes on.
    """
    generator = torch.Generator().manual_seed(seed)
    draws = torch.randint(0, inputs.numel(), inputs.shape, generator=generator)
    return torch.where(_before(cuts, inputs.shape[1]), inputs, inputs.flatten()[draws])


def gap(loss: Tensor, probe_loss: Tensor, cuts: Tensor) -> float:
    """Mean of `probe_loss - loss` (`[N, T]`, against the true targets) at positions before the cut.

    A model that sees only what came before loses nothing by the refill: its gap is near 0.
    """
    change = probe_loss.to(torch.float64) - loss.to(torch.float64)
    return change[_before(cuts, loss.shape[1])].mean().item()


def edge_gaps(loss: Tensor, probe_loss: Tensor, cuts: Tensor) -> Tensor:
    """`probe_loss - loss` at each row's last position before the cut, float64 `[N]`.

    The one place where a model that sees one token ahead, but not two, betrays itself.
    """
    change = probe_loss.to(torch.float64) - loss.to(torch.float64)
    return change.gather(1, cuts[:, None] - 1)[:, 0]


def _before(cuts: Tensor, context: int) -> Tensor:
    return torch.arange(context) < cuts[:, None]
