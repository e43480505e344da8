"""The causality probe: does a position's loss change when everything after it is replaced?

A second, fresh predictor gets rows of the scored text that are cut after a position drawn in
secret once the scores are in; behind the cut stands training text. The loss at that position, of
the true next token, is held against what scoring gave there, whichever of the two is lower. What a
model gained there by the next token, by other rows, or by chance, it can't repeat: at such a
position the second predictor has to be at least as good whatever the next token is, which is
what an honest distribution is. So telling the two predictors apart is of no use, nor is giving back
elsewhere what was gained: where a share f of all positions changes by more than `TOLERANCE`, n
tests miss it with probability (1 - f)^n at most.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from autoresearch_kit.execution.grading import ScoreFailure
from autoresearch_kit.records import Reason

POSITIONS = 256
"""Tests of a score on a CPU, two passes over 128 rows: see `benchmarks/causality.py`."""

GPU_POSITIONS = 1024
"""The same on a GPU, which is as quick, and whose scores have less noise to hide a gain in."""

TOLERANCE = 0.2
"""Nats by which no tested loss may differ from the scored one. Honest models, at the same shape
and in the same place of the batch, change by 0.06 at most, in half precision."""

MAX_MEAN = 1e-3
"""Nats by which they may differ on average; what stays below can't hide more gain than that."""


@dataclass(frozen=True)
class Cuts:
    """Which rows the second predictor gets, in which order, and how much of each: int64 `[M]`.

    `kept` tokens of `rows` are as they are; the loss is tested at the last of them. 0 are kept
    of what only fills a batch.
    """

    rows: Tensor
    kept: Tensor

    @property
    def tested(self) -> Tensor:
        """Which of them test a position: bool `[M]`."""
        return self.kept > 0

    @property
    def positions(self) -> Tensor:
        """The last position that is kept of each; 0 where nothing is."""
        return (self.kept - 1).clamp(min=0)


def draw(count: int, context: int, batch: int, wanted: int, generator: torch.Generator) -> Cuts:
    """Draw `wanted` tests or a few more of `count` rows of T tokens, for batches of `batch` rows.

    Positions are uniform. Rows are drawn without replacement; where all are wanted several times,
    each pass over them keeps no less of a row than the one before, so that no predictor has ever
    seen what follows a position when it is tested. A row stays in its place of the batch, which
    may matter to the rounding, and gets other neighbours.
    """
    batches = -(-count // batch)
    asked = min(batches, -(-wanted // batch))
    passes = -(-wanted // (asked * batch))
    cuts = torch.randint(1, context + 1, (count, passes), generator=generator).sort(1).values
    rows, kept = [], []
    for number in range(passes):
        order = [torch.randperm(batches, generator=generator)[:asked] for _ in range(batch)]
        drawn = (torch.stack(order, 1) * batch + torch.arange(batch)).flatten()
        there = drawn.clamp(max=count - 1)
        rows.append(there)
        kept.append(cuts[there, number].where(drawn < count, 0))
    return Cuts(torch.cat(rows), torch.cat(kept))


def refill(
    inputs: Tensor, cuts: Cuts, text: npt.NDArray[np.uint16], generator: torch.Generator
) -> Tensor:
    """Cut inputs `[N, T]` and go on, in each row, with a row of `text` `[K, T + 1]`: `[M, T]`.

    `text` is training text: it says nothing of what is scored.
    """
    picked = torch.randint(len(text), cuts.rows.shape, generator=generator)
    others = torch.from_numpy(text[picked.numpy(), :-1].astype(np.int64))
    return inputs[cuts.rows].where(torch.arange(inputs.shape[1]) < cuts.kept[:, None], others)


def check(changes: Tensor) -> float:
    """Return the causality gap: the mean of `changes` `[n]` of tested losses, in nats, unsigned.

    Raises:
        ScoreFailure: they are more than rounding makes of an honest model.
    """
    sizes = changes.abs()
    mean, most, over = sizes.mean().item(), sizes.max().item(), int((sizes > TOLERANCE).sum())
    if over or mean > MAX_MEAN:
        raise ScoreFailure(
            Reason.NOT_CAUSAL,
            f"with all that follows a token replaced, and other rows beside it, its loss changed "
            f"by more than {TOLERANCE:g} nats in {over:,} of {len(sizes):,} tests (at most by "
            f"{most:.2g}, on average by {mean:.2g}): the model saw what it should predict, or "
            "draws at random",
        )
    return mean
