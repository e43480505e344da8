"""Losses from a predictor's logits, the score, and the causality probe."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoresearch_kit.execution.judge import causality
from autoresearch_kit.execution.judge.exchange import LOGIT_BYTES, Shape
from autoresearch_kit.execution.judge.grading import ScoreFailure
from autoresearch_kit.execution.judge.logits import Floats, Ints, Logits
from autoresearch_kit.execution.judge.pace import check_pace
from autoresearch_kit.execution.judge.predictor_process import PredictorProcess
from autoresearch_kit.records import DatasetInfo, Reason
from autoresearch_kit.tasks.lm.bits_per_byte import Sums, rows, sums
from autoresearch_kit.tasks.lm.dataset import Dataset
from autoresearch_kit.tasks.lm.splits import Split

Predict = Callable[[Ints], Logits]
"""Inputs `[b, T]` to the logits at each of them."""

BATCH_ROWS = 8
"""Rows a model is asked for at once on a CPU, if they fit in `BATCH_BYTES`; 32 took longer."""

BATCH_BYTES = 256 * 1024**2
"""The most float32 logits in one batch, unless a single row has more."""

GPU_BATCH_BYTES = 1024**3
"""The most on a GPU: 16 rows, 32,768 tokens, at T = 2,048 and V = 8,192."""

LEAST_BATCHES = 16
"""In which rows are scored, so that one of them can be seen to take longer than others."""

MAX_ROUNDING = 1e-4
"""Bits per byte by which a score in half precision may differ from the score in float32."""

ROUNDED_TOKENS = 2**16
"""Tokens that are scored in float32 as well, where there are as many. After 60 s of training,
bfloat16 put the loss of the shipped model's tokens off by 0.0075 nats to either side: 0.00002 bits
per byte on so many."""

ORDER_SEED = 0
"""Seeds the order in which rows are scored: neighbours in the text should not follow each other."""

FULL = "float32"


@dataclass(frozen=True)
class Scored:
    """Losses `[N, T]` in nats, and the precision in which the model predicted.

    `rounding` is by how many bits per byte half precision is off: see `rounding`.
    """

    losses: Floats
    precision: str
    rounding: float | None


@dataclass(frozen=True)
class Shard:
    """The text to score: inputs and targets int64 `[N, T]`, and each token's bytes `[V]`.

    `training` is text that is not scored, rows uint16 `[K, T + 1]`.
    """

    inputs: Ints
    targets: Ints
    token_bytes: Ints
    training: npt.NDArray[np.uint16]

    def losses(self, predict: Predict, batch: int, count: int | None = None) -> Floats:
        """Return nats per token, float32 `[n, T]`, of the first `count` rows, `batch` at a time.

        Raises:
            ScoreFailure: a logit, or the loss from it, is not finite.
        """
        inputs, targets = self.inputs[:count], self.targets[:count]
        return _sound([
            predict(inputs[part]).losses(targets[part]) for part in _parts(len(inputs), batch)
        ])  # fmt: skip

    def sums(self, losses: Floats) -> Sums:
        """Add up the losses `[n, T]` of the first rows, in float64."""
        return sums(losses, self.targets[: len(losses)], self.token_bytes)


def _parts(count: int, batch: int) -> list[slice]:
    return [slice(start, start + batch) for start in range(0, count, batch)]


def _sound(parts: list[Floats]) -> Floats:
    losses = np.concatenate(parts)
    if not np.isfinite(losses).all():
        raise ScoreFailure(Reason.NOT_FINITE, "logits of 1e38 and more make the loss infinite")
    return losses


def load_shard(dataset: Dataset, shard: str) -> Shard:
    """Load the rows to score, in the order in which they are scored.

    Raises:
        CorpusError: the shard or the token table is missing or damaged.
    """
    text = dataset.shard(Split(shard))
    count = min(dataset.info.eval_rows, len(text))
    inputs, targets = rows(text, count)
    order = np.random.default_rng(ORDER_SEED).permutation(count)
    token_bytes = dataset.token_bytes.astype(np.int64)
    return Shard(inputs[order], targets[order], token_bytes, dataset.train)


def batch_shape(info: DatasetInfo, *, on_gpu: bool) -> Shape:
    """Return the batch that every submission is asked for, on this data set and kind of device."""
    most, room = info.eval_rows // LEAST_BATCHES, GPU_BATCH_BYTES
    if not on_gpu:
        most, room = min(most, BATCH_ROWS), BATCH_BYTES
    fit = room // (info.context * info.vocab_size * LOGIT_BYTES)
    return Shape(max(1, min(most, fit)), info.context, info.vocab_size)


def rounding(shard: Shard, losses: Floats, predict_full: Predict, batch: int) -> float | None:
    """Return how far the first rows' score is off for half precision, in bits per byte.

    `losses` `[N, T]` are those scored. None for a model that has weights in another precision, or
    too little memory, and so can't predict in float32.
    """
    count = -(-ROUNDED_TOKENS // losses.shape[1])
    try:
        full = shard.losses(predict_full, batch, count)
    except ScoreFailure:
        return None
    return shard.sums(losses[:count]).value - shard.sums(full).value


def score(shard: Shard, predictor: PredictorProcess) -> Scored:
    """Have a predictor predict every row, in its precision; in float32 if that matters.

    Raises:
        ScoreFailure: there is no score, or the model did something else besides.
    """
    batch = predictor.shape.rows
    losses = shard.losses(predictor.predict, batch)
    spent = check_pace(predictor.loading, predictor.answers)
    if predictor.precision == FULL:
        return Scored(losses, FULL, None)
    predictor.answers.clear()  # those in float32 have a pace of their own
    precision = predictor.precision
    off = rounding(shard, losses, predictor.predict_full, batch)
    if off is not None and abs(off) > MAX_ROUNDING:
        losses = shard.losses(predictor.predict_full, batch)
        precision = FULL
    if predictor.answers:
        check_pace(spent, predictor.answers)
    return Scored(losses, precision, off)


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
    cuts = causality.draw(len(losses), losses.shape[1], batch, wanted, generator)
    inputs = causality.refill(shard.inputs, cuts, shard.training, generator)
    targets = shard.targets[cuts.rows, cuts.positions]
    probed = _sound([
        predict(inputs[part]).losses_at(cuts.positions[part], targets[part])
        for part in _parts(len(inputs), batch)
    ])  # fmt: skip
    changes = probed.astype(np.float64) - losses[cuts.rows, cuts.positions]
    return changes[cuts.tested]
