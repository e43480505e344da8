"""What the judge computes: losses from a predictor's logits, the score, and the gate."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from autoresearch_kit.errors import ExecutionError
from autoresearch_kit.execution.judge import causality
from autoresearch_kit.execution.judge.exchange import LOGIT_BYTES, Shape
from autoresearch_kit.execution.judge.grading import JudgeSpec, ScoreFailure
from autoresearch_kit.execution.judge.pace import check_pace
from autoresearch_kit.execution.judge.predictor_process import PredictorProcess
from autoresearch_kit.machine import precision
from autoresearch_kit.records import DatasetInfo, Reason
from autoresearch_kit.tasks.lm import task
from autoresearch_kit.tasks.lm.bits_per_byte import nats_per_token, rows
from autoresearch_kit.tasks.lm.dataset import Dataset
from autoresearch_kit.tasks.lm.splits import Split

Predict = Callable[[npt.NDArray[np.int64]], Tensor]
"""Inputs `[b, T]` to logits float32 `[b, T, V]`, a copy that no model can change."""

BATCH_ROWS = 8
"""Rows a model is asked for at once on a CPU, if they fit in `BATCH_BYTES`; 32 took longer."""

BATCH_BYTES = 256 * 1024**2
"""Of float32 logits in one batch, at most, unless a single row has more."""

GPU_BATCH_BYTES = 1024**3
"""The same on a GPU: 16 rows, 32,768 tokens, at T = 2,048 and V = 8,192."""

LEAST_BATCHES = 16
"""In which rows are scored, so that one of them can be seen to take longer than others."""

MAX_ROUNDING = 1e-4
"""Bits per byte by which a score in half precision may differ from the same in float32."""

ROUNDED_TOKENS = 2**16
"""On which that is held, where there are as many. After 60 s of training, bfloat16 put the loss of
the shipped model's tokens off by 0.0075 nats to either side: 0.00002 bits per byte on so many."""

ORDER_SEED = 0
"""Of the order in which rows are scored: neighbours in the text should not follow each other."""

FULL = "float32"


@dataclass(frozen=True)
class Scored:
    """Losses `[N, T]` in nats, the precision in which the model predicted, and by how many bits per
    byte another one would have been off, or is."""

    losses: Tensor
    precision: str
    rounding: float | None


@dataclass(frozen=True)
class Shard:
    """The text to score: inputs and targets int64 `[N, T]`, and each token's bytes `[V]`.

    `training` is text that is not scored, rows uint16 `[K, T + 1]`.
    """

    inputs: Tensor
    targets: Tensor
    token_bytes: Tensor
    training: npt.NDArray[np.uint16]
    device: torch.device

    def losses(self, predict: Predict, inputs: Tensor, targets: Tensor, batch: int) -> Tensor:
        """Nats per token, float32 `[n, T]`, of `batch` rows at a time.

        Raises:
            ScoreFailure: a logit, or the loss from it, is not finite.
        """
        found = task.losses(
            lambda part: self._finite(predict(part.numpy())), inputs, targets, batch
        )
        return self._sound(found)

    def losses_at(
        self, predict: Predict, inputs: Tensor, positions: Tensor, targets: Tensor, batch: int
    ) -> Tensor:
        """Nats at one position of each row, float32 `[n]`; positions and targets are int64 `[n]`.

        Raises:
            ScoreFailure: a logit there, or the loss from it, is not finite.
        """
        found = []
        for start in range(0, len(inputs), batch):
            part = slice(start, start + batch)
            at = positions[part]
            logits = self._finite(predict(inputs[part].numpy())[torch.arange(len(at)), at])
            found.append(nats_per_token(logits[None], targets[None, part].to(self.device))[0].cpu())
        return self._sound(torch.cat(found))

    def sums(self, losses: Tensor) -> task.Sums:
        """Add up the losses `[N, T]` of all rows, in float64."""
        return task.sums(losses, self.targets, self.token_bytes)

    def _sound(self, losses: Tensor) -> Tensor:
        if not losses.isfinite().all():
            raise ScoreFailure(Reason.NOT_FINITE, "logits of 1e38 and more make the loss infinite")
        return losses

    def _finite(self, logits: Tensor) -> Tensor:
        tensor = logits.to(self.device)
        low, high = tensor.aminmax()
        if not (low.isfinite() and high.isfinite()):
            count = int((~tensor.isfinite()).sum().item())
            raise ScoreFailure(
                Reason.NOT_FINITE, f"{count:,} of {tensor.numel():,} logits are NaN or infinite"
            )
        return tensor


def load_shard(dataset: Dataset, spec: JudgeSpec) -> Shard:
    """The rows to score, in the order in which they are.

    Raises:
        CorpusError: the shard or the token table is missing or damaged.
    """
    shard = dataset.shard(Split(spec.shard))
    count = min(dataset.info.eval_rows, len(shard))
    inputs, targets = rows(shard, count)
    order = torch.from_numpy(np.random.default_rng(ORDER_SEED).permutation(count))
    device = precision.judging_device(_predicting_device(spec))
    token_bytes = torch.from_numpy(dataset.token_bytes.astype(np.int64))
    return Shard(inputs[order], targets[order], token_bytes, dataset.train, device)


def check_device(spec: JudgeSpec) -> None:
    """Check that this process can compute on the run's device; uses it for the first time.

    Raises:
        ScoreFailure: it can't, which is no fault of the submission.
    """
    if spec.device:
        try:
            precision.expected(spec.device)
        except ExecutionError as error:
            raise ScoreFailure(Reason.KIT_FAILED, f"in the judge, {error}") from error


def _predicting_device(spec: JudgeSpec) -> torch.device:
    return torch.device(spec.device) if spec.device else precision.device()


def batch_shape(info: DatasetInfo, device: torch.device) -> Shape:
    """The batch that every submission for this data set is asked for, on this kind of device."""
    most, room = info.eval_rows // LEAST_BATCHES, GPU_BATCH_BYTES
    if device.type != "cuda":
        most, room = min(most, BATCH_ROWS), BATCH_BYTES
    fit = room // (info.context * info.vocab_size * LOGIT_BYTES)
    return Shape(max(1, min(most, fit)), info.context, info.vocab_size)


def computes_in(spec: JudgeSpec) -> str:
    """The precision in which the model is asked to predict, by its name."""
    if spec.precision:
        return spec.precision
    device = _predicting_device(spec)
    return precision.name_of(precision.computes_in(device))


def rounding(shard: Shard, losses: Tensor, predict_full: Predict, batch: int) -> float | None:
    """How far the first rows' score is off for not being computed in float32, in bits per byte.

    `losses` `[N, T]` are those scored. None for a model that has weights in another precision, or
    too little memory, and so can't predict in float32.
    """
    count = -(-ROUNDED_TOKENS // losses.shape[1])
    targets = shard.targets[:count]
    try:
        full = shard.losses(predict_full, shard.inputs[:count], targets, batch)
    except ScoreFailure:
        return None
    exact, scored = (task.sums(of, targets, shard.token_bytes) for of in (full, losses[:count]))
    return scored.value - exact.value


def score(shard: Shard, predictor: PredictorProcess, precision: str) -> Scored:
    """Have a predictor that computes in `precision` predict every row; in float32 if that matters.

    Raises:
        ScoreFailure: there is no score, or the model did something else besides.
    """
    batch = predictor.shape.rows
    losses = shard.losses(predictor.predict, shard.inputs, shard.targets, batch)
    spent = check_pace(predictor.loading, predictor.answers)
    if precision == FULL:
        return Scored(losses, FULL, None)
    predictor.answers.clear()  # those in float32 have a pace of their own
    found = rounding(shard, losses, predictor.predict_full, batch)
    if found is not None and abs(found) > MAX_ROUNDING:
        losses = shard.losses(predictor.predict_full, shard.inputs, shard.targets, batch)
        precision = FULL
    if predictor.answers:
        check_pace(spent, predictor.answers)
    return Scored(losses, precision, found)


def probe(shard: Shard, losses: Tensor, predict: Predict, batch: int, seed: int) -> Tensor:
    """Return how much scored losses `[N, T]` change when all tokens after them are replaced.

    Nats, float64 `[n]`. A fresh predictor is asked, from its first call on in the precision of the
    score: a pass before, whose answers don't count, would be time to learn in.

    Raises:
        ScoreFailure: a logit there, or the loss from it, is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    wanted = causality.GPU_POSITIONS if shard.device.type == "cuda" else causality.POSITIONS
    count, context = losses.shape
    cuts = causality.draw(count, context, batch, wanted, generator)
    inputs = causality.refill(shard.inputs, cuts, shard.training, generator)
    targets = shard.targets[cuts.rows, cuts.positions]
    probed = shard.losses_at(predict, inputs, cuts.positions, targets, batch)
    changes = probed.double() - losses[cuts.rows, cuts.positions].double()
    return changes[cuts.tested]
