"""Score and probe models in this process, by the judge's own code."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from autoresearch_kit.execution.judge import causality
from autoresearch_kit.execution.judge.logits import HostLogits, Ints
from autoresearch_kit.execution.judge.shard import Predict, load_shard
from autoresearch_kit.tasks.lm.dataset import open_dataset

BATCH = 8


def predictor(model: nn.Module) -> Predict:
    model.eval()

    def predict(inputs: Ints) -> HostLogits:
        with torch.inference_mode():
            logits: torch.Tensor = model(torch.from_numpy(inputs))
        return HostLogits(logits.float().numpy())

    return predict


def gap(dataset: Path, build: Callable[[], nn.Module], seed: int = 3) -> float:
    """Return the causality gap as the judge does: one fresh model is scored, another is probed.

    Raises:
        ScoreFailure: it is too large, or a logit is not finite.
    """
    shard = load_shard(open_dataset(dataset), "val")
    losses = shard.losses(predictor(build()), BATCH)
    changes = causality.probe(shard, losses, predictor(build()), BATCH, wanted=256, seed=seed)
    return causality.check(changes, BATCH)
