"""What the judge computes: losses from a predictor's logits, the score, and the gate."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from autoresearch_kit import precision
from autoresearch_kit.errors import ExecutionError
from autoresearch_kit.execution.exchange import LOGIT_BYTES, Shape
from autoresearch_kit.execution.grading import JudgeSpec, ScoreFailure
from autoresearch_kit.execution.pace import check_pace
from autoresearch_kit.execution.predictor_process import PredictorProcess
from autoresearch_kit.lm import task
from autoresearch_kit.lm.bits_per_byte import rows
from autoresearch_kit.lm.dataset import Dataset
from autoresearch_kit.lm.splits import Split
from autoresearch_kit.records import DatasetInfo, Reason

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

PROBED_ROWS = 128
"""Rows of the probe: all that a data set of the kit has. Their order and cuts are drawn in secret,
so that no model knows where to behave."""

MAX_GAP = 1e-3
"""Nats per token. Honest models change by nothing at the same shape, bfloat16 ones by 1e-5."""

MAX_EDGE_GAP = 0.02
"""Nats per row, at the last position before the cut."""

MAX_WORST_EDGE = 1.0
"""Nats at that position of any row. An honest model's loss changes by 0.06 at most."""


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
    """What is scored: inputs and targets int64 `[N, T]`, and each token's bytes `[V]`."""

    inputs: Tensor
    targets: Tensor
    token_bytes: Tensor
    device: torch.device

    def losses(self, predict: Predict, inputs: Tensor, targets: Tensor, batch: int) -> Tensor:
        """Nats per token, float32 `[n, T]`, of `batch` rows at a time.

        Raises:
            ScoreFailure: a logit, or the loss from it, is not finite.
        """
        found = task.losses(
            lambda part: self._finite(predict(part.numpy())), inputs, targets, batch
        )
        if not found.isfinite().all():
            raise ScoreFailure(Reason.NOT_FINITE, "logits of 1e38 and more make the loss infinite")
        return found

    def sums(self, losses: Tensor) -> task.Sums:
        """Add up the losses `[N, T]` of all rows, in float64."""
        return task.sums(losses, self.targets, self.token_bytes)

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
    return Shard(inputs[order], targets[order], token_bytes, device)


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
    check_pace(predictor.loading, predictor.answers)
    if precision == FULL:
        return Scored(losses, FULL, None)
    predictor.answers.clear()  # those in float32 have a pace of their own
    found = rounding(shard, losses, predictor.predict_full, batch)
    if found is not None and abs(found) > MAX_ROUNDING:
        losses = shard.losses(predictor.predict_full, shard.inputs, shard.targets, batch)
        precision = FULL
    if predictor.answers:
        check_pace(predictor.loading, predictor.answers)
    return Scored(losses, precision, found)


def probe(shard: Shard, losses: Tensor, predict: Predict, batch: int, seed: int) -> float:
    """The causality gap, in nats per token, of what scored `losses` `[N, T]`.

    The first batch is looked at by itself as well: a model that learns from the rows that it
    sees has seen none yet.

    Raises:
        ScoreFailure: positions before a cut were predicted worse when what follows was replaced.
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(losses), generator=generator)[:PROBED_ROWS]
    scored = losses[chosen]
    cuts = task.draw_cuts(scored, seed)
    inputs = task.refill(shard.inputs[chosen], cuts, seed)
    probed = shard.losses(predict, inputs, shard.targets[chosen], batch)
    gap = task.gap(scored, probed, cuts)
    cold = task.gap(scored[:batch], probed[:batch], cuts[:batch])
    edges = task.edge_gaps(scored, probed, cuts)
    edge, worst = edges.mean().item(), edges.max().item()
    if gap > MAX_GAP or cold > MAX_GAP or edge > MAX_EDGE_GAP or worst > MAX_WORST_EDGE:
        raise ScoreFailure(
            Reason.NOT_CAUSAL,
            f"with later tokens and other rows replaced, loss rose by {gap:.4f} nats a token "
            f"(by {cold:.4f} in the first rows; at the last token before by {edge:.4f}, "
            f"{worst:.2f} at most): the model saw what it should predict",
        )
    return gap
