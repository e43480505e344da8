"""What the judge computes: losses from a predictor's logits, the score, and the gate."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from autoresearch_kit import precision
from autoresearch_kit.execution.grading import JudgeSpec, ScoreFailure
from autoresearch_kit.lm import task
from autoresearch_kit.lm.bits_per_byte import rows
from autoresearch_kit.lm.dataset import Dataset
from autoresearch_kit.lm.splits import Split
from autoresearch_kit.records import Reason

Predict = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float32]]
"""Inputs `[b, T]` to logits `[b, T, V]`."""

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

    def _finite(self, logits: npt.NDArray[np.float32]) -> Tensor:
        tensor = torch.from_numpy(logits).to(self.device)
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
    device = torch.device(spec.device) if spec.device else precision.judging_device()
    token_bytes = torch.from_numpy(dataset.token_bytes.astype(np.int64))
    return Shard(inputs[order], targets[order], token_bytes, device)


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
