"""The gate, with predictors in this process: what it lets pass, and what it does not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from autoresearch_kit.execution import assessment
from autoresearch_kit.execution.exchange import Shape
from autoresearch_kit.execution.grading import JudgeSpec, ScoreFailure
from autoresearch_kit.lm.dataset import open_dataset
from autoresearch_kit.records import Reason
from tests.scoring import cheats, models

BATCH = 8


def predictor(model: nn.Module) -> assessment.Predict:
    model.eval()

    def predict(inputs: npt.NDArray[np.int64]) -> torch.Tensor:
        with torch.inference_mode():
            logits: torch.Tensor = model(torch.from_numpy(inputs))
        return logits.float()

    return predict


def gap(spec: JudgeSpec, build: Callable[[], nn.Module], seed: int = 3) -> float:
    """As the judge does it: a fresh model scores, another fresh one is probed."""
    shard = assessment.load_shard(open_dataset(spec.dataset), spec)
    losses = shard.losses(predictor(build()), shard.inputs, shard.targets, BATCH)
    return assessment.probe(shard, losses, predictor(build()), BATCH, seed)


@pytest.mark.parametrize("build", [models.Honest, models.tied, models.half, cheats.PastMean])
def test_a_model_that_sees_the_past_only_has_no_gap(
    build: Callable[[], nn.Module], spec: JudgeSpec
) -> None:
    assert gap(spec, build) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    "build", [cheats.Shift, cheats.Unmasked, cheats.RowMean, cheats.NowAndThen, cheats.Learner]
)
def test_a_model_that_gains_from_other_tokens_is_refused(
    build: Callable[[], nn.Module], spec: JudgeSpec
) -> None:
    with pytest.raises(ScoreFailure) as caught:
        gap(spec, build)
    assert caught.value.reason is Reason.NOT_CAUSAL


def test_a_rare_look_ahead_shows_at_the_last_position_before_the_cut(
    spec: JudgeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assessment, "MAX_GAP", 1.0)
    with pytest.raises(ScoreFailure) as caught:
        gap(spec, cheats.NowAndThen)
    assert caught.value.reason is Reason.NOT_CAUSAL


def test_rows_are_probed_that_no_model_can_foresee(spec: JudgeSpec) -> None:
    asked = []
    shard = assessment.load_shard(open_dataset(spec.dataset), spec)
    honest = predictor(models.Honest())
    losses = shard.losses(honest, shard.inputs, shard.targets, BATCH)

    def spy(inputs: npt.NDArray[np.int64]) -> torch.Tensor:
        asked.append(inputs.copy())
        return honest(inputs)

    for seed in (1, 2):
        assessment.probe(shard, losses, spy, BATCH, seed)
    first, second = asked[: len(asked) // 2], asked[len(asked) // 2 :]
    assert not np.array_equal(np.concatenate(first), np.concatenate(second))


@pytest.mark.parametrize("what", cheats.NOT_FINITE)
def test_logits_must_be_finite(what: str, spec: JudgeSpec) -> None:
    with pytest.raises(ScoreFailure, match="logits are NaN or infinite") as caught:
        gap(spec, lambda: cheats.Returns(cheats.NOT_FINITE[what]))
    assert caught.value.reason is Reason.NOT_FINITE


def test_finite_logits_can_still_mean_an_infinite_loss(spec: JudgeSpec) -> None:
    shard = assessment.load_shard(open_dataset(spec.dataset), spec)

    def extreme(inputs: npt.NDArray[np.int64]) -> torch.Tensor:
        logits = torch.full((*inputs.shape, models.VOCAB_SIZE), -3e38)
        logits[..., 0] = 3e38
        return logits

    with pytest.raises(ScoreFailure) as caught:
        shard.losses(extreme, shard.inputs, shard.targets, BATCH)
    assert caught.value.reason is Reason.NOT_FINITE


def test_rows_are_shuffled_the_same_way_each_time(spec: JudgeSpec, dataset: Path) -> None:
    first, second = (assessment.load_shard(open_dataset(dataset), spec) for _ in range(2))
    assert torch.equal(first.inputs, second.inputs)
    in_order = torch.from_numpy(open_dataset(dataset).val[:, :-1].astype(np.int64))
    assert first.inputs.shape == in_order.shape
    assert not torch.equal(first.inputs, in_order)


def refused(spec: JudgeSpec, seed: int) -> bool:
    try:
        gap(spec, cheats.Seldom, seed)
    except ScoreFailure as failure:
        return failure.reason is Reason.NOT_CAUSAL
    return False


def test_looking_ahead_seldom_is_mostly_found(spec: JudgeSpec) -> None:
    # 70 rows of 32 have 35 such places in all; the 128 rows of 512 of a real data set have 1,000
    assert sum(refused(spec, seed) for seed in range(10)) >= 7


WEB, SMALL = (8192, 2048, 10240), (1024, 512, 128)


@pytest.mark.parametrize(
    ("sizes", "device", "rows"),
    [(WEB, "cpu", 4), (WEB, "cuda", 16), (SMALL, "cpu", 8), (SMALL, "cuda", 8)],
)
def test_batches_are_large_on_a_gpu_and_there_are_always_some(
    sizes: tuple[int, int, int], device: str, rows: int, spec: JudgeSpec
) -> None:
    vocab_size, context, eval_rows = sizes
    info = replace(
        open_dataset(spec.dataset).info,
        vocab_size=vocab_size,
        context=context,
        eval_rows=eval_rows,
    )
    shape = assessment.batch_shape(info, torch.device(device))
    assert shape == Shape(rows, context, vocab_size)
