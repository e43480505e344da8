"""Test which models the causality probe refuses, with predictors in this process."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from autoresearch_kit.execution.judge.exchange import Shape
from autoresearch_kit.execution.judge.gpu import DeviceLogits
from autoresearch_kit.execution.judge.logits import HostLogits, Ints
from autoresearch_kit.execution.judge.scoring import JudgeSpec, ScoreFailure
from autoresearch_kit.execution.judge.shard import batch_shape, load_shard
from autoresearch_kit.records import Reason
from autoresearch_kit.tasks.lm.dataset import open_dataset
from autoresearch_kit.tasks.lm.splits import Split
from tests.execution.judge import cheats, models
from tests.execution.judge.in_process import BATCH, gap, predictor


@pytest.mark.parametrize(
    "build", [models.Honest, models.tied, models.half, cheats.Usual, cheats.PastMean]
)
def test_a_model_that_sees_only_the_past_has_no_gap(
    build: Callable[[], nn.Module], spec: JudgeSpec
) -> None:
    assert gap(spec.dataset, build) == pytest.approx(0, abs=1e-4)


LOOK_AHEAD = {build.__name__: build for build in cheats.LOOK_AHEAD} | {
    where: partial(cheats.Sometimes, *arguments) for where, arguments in cheats.SOMETIMES.items()
}


@pytest.mark.parametrize("build", LOOK_AHEAD.values(), ids=LOOK_AHEAD)
def test_a_model_that_looks_ahead_gains_and_is_refused(
    build: Callable[[], nn.Module], spec: JudgeSpec
) -> None:
    learns = build in (cheats.BatchMates, cheats.Learner)  # from nothing
    honest = math.log(models.VOCAB_SIZE) if learns else mean_loss(spec, cheats.Usual())
    assert mean_loss(spec, build()) < honest - 0.01
    with pytest.raises(ScoreFailure, match="the model saw what it should predict") as caught:
        gap(spec.dataset, build)
    assert caught.value.reason is Reason.NOT_CAUSAL


def mean_loss(spec: JudgeSpec, model: nn.Module) -> float:
    shard = load_shard(open_dataset(spec.dataset), spec.shard)
    return float(shard.losses(predictor(model), BATCH).mean())


def test_a_model_whose_answers_are_chance_is_refused(spec: JudgeSpec) -> None:
    with pytest.raises(ScoreFailure, match="or draws at random"):
        gap(spec.dataset, cheats.AlwaysDrops)


def refused(spec: JudgeSpec, seed: int) -> bool:
    try:
        gap(spec.dataset, cheats.Seldom, seed)
    except ScoreFailure as failure:
        return failure.reason is Reason.NOT_CAUSAL
    return False


def test_a_rare_look_ahead_is_mostly_found(spec: JudgeSpec) -> None:
    # 35 places of 2,240: 280 tests miss all of them once in 80 probes
    assert sum(refused(spec, seed) for seed in range(10)) >= 8


@pytest.mark.parametrize("what", cheats.NOT_FINITE)
def test_logits_must_be_finite(what: str, spec: JudgeSpec) -> None:
    with pytest.raises(ScoreFailure, match="logits are NaN or infinite") as caught:
        gap(spec.dataset, lambda: cheats.Does(cheats.NOT_FINITE[what]))
    assert caught.value.reason is Reason.NOT_FINITE


def test_finite_logits_can_still_mean_an_infinite_loss(spec: JudgeSpec) -> None:
    shard = load_shard(open_dataset(spec.dataset), spec.shard)

    def extreme(inputs: Ints) -> HostLogits:
        logits = np.full((*inputs.shape, models.VOCAB_SIZE), -3e38, np.float32)
        logits[..., 0] = 3e38
        return HostLogits(logits)

    with pytest.raises(ScoreFailure, match="1e38") as caught:
        shard.losses(extreme, BATCH)
    assert caught.value.reason is Reason.NOT_FINITE


def test_torch_and_numpy_find_the_same_losses() -> None:
    rng = np.random.default_rng(0)
    logits = 5 * rng.standard_normal((3, 8, 64), dtype=np.float32)
    targets, positions = rng.integers(0, 64, (3, 8)), np.array([0, 7, 3])
    host, device = HostLogits(logits), DeviceLogits(torch.from_numpy(logits))
    losses = device.losses(targets)
    np.testing.assert_allclose(losses, host.losses(targets), rtol=1e-5, atol=1e-6)
    asked = np.take_along_axis(targets, positions[:, None], 1)
    for either in (host, device):
        at_positions = either.losses(asked, positions[:, None])[:, 0]
        np.testing.assert_allclose(at_positions, losses[np.arange(3), positions], 1e-5, 1e-6)


def test_rows_are_shuffled_the_same_way_each_time(dataset: Path) -> None:
    first, second = (load_shard(open_dataset(dataset), "val") for _ in range(2))
    assert np.array_equal(first.inputs, second.inputs)
    in_order = open_dataset(dataset).shard(Split.VAL)[:, :-1]
    assert first.inputs.shape == in_order.shape
    assert not np.array_equal(first.inputs, in_order)


WEB, SMALL = (8192, 2048, 10240), (1024, 512, 128)


@pytest.mark.parametrize(
    ("sizes", "device", "rows"),
    [(WEB, "cpu", 4), (WEB, "cuda", 16), (SMALL, "cpu", 8), (SMALL, "cuda", 8)],
)
def test_batches_are_large_on_a_gpu_and_never_empty(
    sizes: tuple[int, int, int], device: str, rows: int, spec: JudgeSpec
) -> None:
    vocab_size, context, eval_rows = sizes
    info = replace(
        open_dataset(spec.dataset).info,
        vocab_size=vocab_size,
        context=context,
        eval_rows=eval_rows,
    )
    shape = batch_shape(info, on_gpu=device == "cuda")
    assert shape == Shape(rows, context, vocab_size)
