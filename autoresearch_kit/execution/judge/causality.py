"""The causality probe: does a position's loss change when everything after it is replaced?

When all losses are known, positions are drawn in secret. A second, fresh predictor gets each row up
to such a position; training text follows. Its loss there, of the true next token, is compared with
the scored one, in both directions and one by one.

To be scored alike whatever the next token is, the second predictor, which can't know it, has to
give each candidate the probability that the scored one gave it when it was the true one. It can
only if those add up to 1, as an honest model's do. So nothing is won by telling the two predictors
apart, nor by giving back elsewhere what was gained: where the loss changes by more than `TOLERANCE`
in a share f of all positions, n tests find it with probability 1 - (1 - f)^n or more.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoresearch_kit.execution.judge.logits import Floats, Ints
from autoresearch_kit.execution.judge.scoring import ScoreFailure
from autoresearch_kit.execution.judge.shard import Predict, Shard, batches, finite
from autoresearch_kit.records import Reason

POSITIONS = 256
"""Tests of a score on a CPU: two passes over 128 rows. Looking ahead at one token in 256, where it
pays most, gains 2 to 3 sigma of a 60 s run there; three runs let it pass in 5% of all cases."""

GPU_POSITIONS = 1024
"""Tests of a score on a GPU: they take less time there, and noise hides less (`docs/trust.md`)."""

TOLERANCE = 0.2
"""Nats by which no loss may change. In half precision an honest model's changed by 0.06 at most
where rows changed their index in the batch, and by nothing where they kept it, as they do here."""

MAX_MEAN = 1e-3
"""Nats by which losses may change on average: a model may gain a little in many places."""

MAX_FIRST = 0.01
"""Nats by which they may change in the first batch, when no model has learnt from rows yet."""


@dataclass(frozen=True)
class Cuts:
    """The rows that the second predictor gets, in order, and how much of each: int64 `[M]`.

    The first `kept` tokens of a row stay as they are; the loss is tested at the last of them. A row
    that only fills a batch keeps 0.
    """

    rows: Ints
    kept: Ints

    @property
    def tested(self) -> npt.NDArray[np.bool_]:
        """Return which rows test a position: bool `[M]`."""
        return self.kept > 0

    @property
    def positions(self) -> Ints:
        """Return the last position that is kept of each row; 0 where nothing is kept."""
        return np.maximum(self.kept - 1, 0)


def probe(
    shard: Shard, losses: Floats, predict: Predict, batch: int, *, wanted: int, seed: int
) -> npt.NDArray[np.float64]:
    """Return how much scored losses `[N, T]` change when all tokens after them are replaced.

    Nats, float64 `[n]`, n at least `wanted`. A fresh predictor is asked, from its first call on in
    the precision of the score: a pass before, whose answers don't count, would be time to learn in.

    Raises:
        ScoreFailure: a logit, or the loss from it, is not finite.
    """
    generator = np.random.default_rng(seed)
    cuts = draw(len(losses), losses.shape[1], batch, wanted, generator)
    inputs = refill(shard.inputs, cuts, shard.training, generator)
    targets = shard.targets[cuts.rows, cuts.positions]
    probed = finite([
        predict(inputs[part]).losses(targets[part, None], cuts.positions[part, None])[:, 0]
        for part in batches(len(inputs), batch)
    ])  # fmt: skip
    changes = probed.astype(np.float64) - losses[cuts.rows, cuts.positions]
    return changes[cuts.tested]


def draw(count: int, context: int, batch: int, wanted: int, generator: np.random.Generator) -> Cuts:
    """Draw `wanted` tests or a few more of `count` rows of T tokens, for batches of `batch` rows.

    Positions are uniform. Rows are drawn without replacement; where each is wanted several times,
    every pass keeps at least as much of a row as the pass before, so that no predictor has ever
    seen what follows a position when it is tested. A row keeps its index in the batch, which may
    matter to the rounding, and gets other neighbours.
    """
    batches = -(-count // batch)
    asked = min(batches, -(-wanted // batch))
    passes = -(-wanted // (asked * batch))
    cuts = np.sort(generator.integers(1, context + 1, (count, passes)), axis=1)
    rows, kept = [], []
    for number in range(passes):
        order = [generator.permutation(batches)[:asked] for _ in range(batch)]
        drawn = (np.stack(order, 1) * batch + np.arange(batch)).ravel()
        inside = np.minimum(drawn, count - 1)  # the last batch may not be full
        rows.append(inside)
        kept.append(np.where(drawn < count, cuts[inside, number], 0))
    return Cuts(np.concatenate(rows), np.concatenate(kept))


def refill(
    inputs: Ints, cuts: Cuts, text: npt.NDArray[np.uint16], generator: np.random.Generator
) -> Ints:
    """Cut inputs `[N, T]`, and fill each row up with a row of `text` `[K, T + 1]`: `[M, T]`.

    `text` is training text, which tells nothing of what is scored.
    """
    others = text[generator.integers(len(text), size=len(cuts.rows)), :-1].astype(np.int64)
    return np.where(np.arange(inputs.shape[1]) < cuts.kept[:, None], inputs[cuts.rows], others)


def check(changes: npt.NDArray[np.float64], batch: int) -> float:
    """Return the causality gap: the mean of `changes` `[n]` of tested losses, in nats, unsigned.

    The first `batch` of them are of the first batch.

    Raises:
        ScoreFailure: they are more than rounding makes of an honest model.
    """
    sizes = np.abs(changes)
    mean, most, over = float(sizes.mean()), float(sizes.max()), int((sizes > TOLERANCE).sum())
    first = float(sizes[:batch].mean())
    if over or mean > MAX_MEAN or first > MAX_FIRST:
        raise ScoreFailure(
            Reason.NOT_CAUSAL,
            f"with what follows and other rows replaced, the loss changed by more than "
            f"{TOLERANCE:g} nats in {over:,} of {len(sizes):,} tests ({most:.2g} at most, "
            f"{mean:.2g} on average, {first:.2g} at first): the model saw what it should predict, "
            "or draws at random",
        )
    return mean
