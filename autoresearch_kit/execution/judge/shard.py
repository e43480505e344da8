"""The text that is scored, the batches in which a model is asked for it, and its losses."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoresearch_kit.execution.judge.exchange import LOGIT_BYTES, Shape
from autoresearch_kit.execution.judge.logits import Floats, Ints, Logits
from autoresearch_kit.execution.judge.scoring import ScoreFailure
from autoresearch_kit.records import DatasetInfo, Reason
from autoresearch_kit.tasks.lm.bits_per_byte import Sums, rows, sums
from autoresearch_kit.tasks.lm.dataset import Dataset
from autoresearch_kit.tasks.lm.splits import Split

Predict = Callable[[Ints], Logits]
"""A function from inputs `[b, T]` to the logits at each of them."""

BATCH_ROWS = 8
"""Rows a model is asked for at once on a CPU, if they fit in `BATCH_BYTES`; 32 took longer."""

BATCH_BYTES = 256 * 1024**2
"""The most float32 logits in one batch, unless a single row has more."""

GPU_BATCH_BYTES = 1024**3
"""The most on a GPU: 16 rows, 32,768 tokens, at T = 2,048 and V = 8,192."""

LEAST_BATCHES = 16
"""Rows are scored in at least so many, so that a batch can be seen to take longer than others."""

ORDER_SEED = 0
"""Seeds the order in which rows are scored: neighbours in the text should not follow each other."""


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
        return finite([
            predict(inputs[part]).losses(targets[part]) for part in batches(len(inputs), batch)
        ])  # fmt: skip

    def sums(self, losses: Floats) -> Sums:
        """Add up the losses `[n, T]` of the first rows, in float64."""
        return sums(losses, self.targets[: len(losses)], self.token_bytes)


def batches(count: int, size: int) -> Iterator[slice]:
    """Yield the slices that cut `count` rows into batches."""
    return (slice(start, start + size) for start in range(0, count, size))


def finite(parts: list[Floats]) -> Floats:
    """Join the losses of several batches.

    Raises:
        ScoreFailure: one is not finite.
    """
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
