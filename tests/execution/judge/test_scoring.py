"""Test scores from a real judge and its predictors."""

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from autoresearch_kit.execution import machine_probe
from autoresearch_kit.execution.handover import Failure
from autoresearch_kit.execution.judge import scoring
from autoresearch_kit.execution.judge.judge import MAX_ROUNDING
from autoresearch_kit.execution.judge.scoring import SCORE_FILE, JudgeSpec, ScoreFailure
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.machine.precision import autocast_to, of_name
from autoresearch_kit.records import Accelerator, Reason, SandboxLevel, Score, codec
from tests.cheats.base import ROWS
from tests.execution.judge import cheats, models
from tests.execution.judge.conftest import KIT, submit
from tests.execution.judge.models import CONTEXT


def score(spec: JudgeSpec, poll: Callable[[], None] = lambda: None) -> Score:
    return scoring.score(spec, poll=poll)


def by_hand(
    spec: JudgeSpec, model: nn.Module, dtype: torch.dtype = torch.float32
) -> tuple[float, int, int]:
    """Return nats, bytes and tokens, computed in the plainest way; matrix products in `dtype`."""
    raw = np.fromfile(spec.dataset / spec.shard / "tokens.bin", dtype="<u2").astype(np.int64)
    rows = torch.from_numpy(raw).view(ROWS, CONTEXT + 1)
    inputs, targets = rows[:, :-1], rows[:, 1:]
    sizes = torch.from_numpy(np.load(spec.dataset / "token_bytes.npy").astype(np.int64))[targets]
    nats = 0.0
    with torch.inference_mode(), autocast_to(torch.device("cpu"), dtype):
        for row, target, size in zip(inputs, targets, sizes, strict=True):
            logits = model.eval()(row[None])[0].float()
            loss = cross_entropy(logits, target, reduction="none")
            nats += loss[size > 0].double().sum().item()
    return nats, int(sizes.sum()), int((sizes > 0).sum())


@pytest.mark.parametrize(
    ("build", "shard", "precision"),
    [
        (models.Honest, "val", "float32"),
        pytest.param(models.calm, "audit", "bfloat16", marks=pytest.mark.slow),
    ],
)
def test_an_honest_model_gets_the_value_computed_by_hand(
    build: Callable[[], models.Honest], shard: str, precision: str, spec: JudgeSpec
) -> None:
    """Hide from it the judge's folder, where its log lies."""
    model = build()
    if not bubblewrap.why_not():
        model = cheats.Reader(spec.folder)
        model.load_state_dict(build().state_dict())
    asked = replace(submit(spec, model), shard=shard, precision=precision)
    scored = score(asked)
    nats, size, tokens = by_hand(asked, build(), of_name(precision))
    assert (scored.bytes, scored.tokens, scored.precision) == (size, tokens, precision)
    assert scored.nats == pytest.approx(nats, rel=1e-6)
    assert scored.value == scored.nats / (size * math.log(2))
    assert scored.metric == f"{shard}_bpb"
    assert scored.causality_gap == pytest.approx(0, abs=1e-4)
    assert scored.tested == 4 * ROWS
    assert scored.values[scored.metric] == scored.value
    assert scored.values["parameters"] == sum(each.numel() for each in build().parameters())
    assert scored.values["submission_mb"] == asked.submission.stat().st_size / 1e6
    assert 0 < scored.values["inference_seconds"] < scored.seconds / ROWS
    if precision == "float32":
        assert scored.rounding is None
    else:
        exact = by_hand(asked, build())[0] / (size * math.log(2))
        assert scored.rounding == pytest.approx(scored.value - exact, abs=1e-7)
        assert 0 < abs(scored.value - exact) <= MAX_ROUNDING


@pytest.mark.slow
def test_float32_is_taken_where_half_precision_does_not_agree(spec: JudgeSpec) -> None:
    scored = score(replace(submit(spec, models.Coarse()), precision="bfloat16"))
    assert scored.precision == "float32"
    assert scored.rounding is not None
    assert abs(scored.rounding) > MAX_ROUNDING
    assert scored.nats == pytest.approx(by_hand(spec, models.Coarse())[0], rel=1e-6)


@pytest.mark.slow
def test_half_precision_weights_are_not_compared_with_float32(
    spec: JudgeSpec,
) -> None:
    scored = score(replace(submit(spec, models.HalfHead()), precision="bfloat16"))
    assert (scored.precision, scored.rounding) == ("bfloat16", None)


@pytest.fixture
def on_gpu(spec: JudgeSpec) -> JudgeSpec:
    """Ask for a score on this machine's GPU."""
    return replace(spec, device="cuda", gpu=machine_probe.gpu_of(torch.device("cuda")))


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_logits_stay_on_the_gpu_in_either_half_precision(precision: str, on_gpu: JudgeSpec) -> None:
    scored = score(replace(submit(on_gpu, models.calm()), precision=precision))
    exact = by_hand(on_gpu, models.calm())[0] / (scored.bytes * math.log(2))
    assert (scored.on_device, scored.precision) == (True, precision)
    assert abs(scored.value - exact) <= MAX_ROUNDING


@pytest.mark.gpu
def test_logits_on_gpu_and_host_give_equal_scores(on_gpu: JudgeSpec, tmp_path: Path) -> None:
    asked = submit(on_gpu, models.Honest())
    stayed = score(asked)
    through_host = score(replace(asked, kit=kit_without_bindings(tmp_path / "kit")))
    assert (stayed.on_device, through_host.on_device) == (True, False)
    assert stayed.nats == pytest.approx(through_host.nats, rel=1e-6)


def kit_without_bindings(folder: Path) -> Path:
    """Copy the kit, beside a package that stands in the way of the CUDA driver's bindings."""
    shutil.copytree(KIT / "autoresearch_kit", folder / "autoresearch_kit")
    (folder / "cuda").mkdir()
    (folder / "cuda" / "__init__.py").touch()
    return folder


def test_a_judge_without_the_runs_gpu_is_the_kits_failure(spec: JudgeSpec) -> None:
    gpu = Accelerator("cuda", (9, 0), 85_000, uuid="GPU-none")
    with pytest.raises(ScoreFailure) as caught:
        score(replace(submit(spec, models.Honest()), device="cuda", gpu=gpu))
    assert caught.value.reason is Reason.KIT_FAILED
    assert "in the judge, this run is to compute on 'cuda'" in caught.value.detail


@pytest.mark.parametrize(
    "build",
    [cheats.Memoriser, pytest.param(cheats.GivesBackByArguments, marks=pytest.mark.slow)],
)
def test_no_model_can_know_that_it_is_probed(
    build: Callable[[], nn.Module], spec: JudgeSpec
) -> None:
    with pytest.raises(ScoreFailure) as caught:
        score(submit(spec, build()))
    assert caught.value.reason is Reason.NOT_CAUSAL
    written = codec.decode(Failure, (spec.folder / SCORE_FILE).read_bytes())
    assert written == Failure(caught.value.reason, caught.value.detail)


@pytest.mark.slow
@pytest.mark.parametrize("build", [cheats.FullAhead, cheats.Practises])
def test_a_score_in_float32_is_probed_in_float32(
    build: Callable[[], nn.Module], spec: JudgeSpec
) -> None:
    with pytest.raises(ScoreFailure) as caught:
        score(replace(submit(spec, build()), precision="bfloat16"))
    assert caught.value.reason is Reason.NOT_CAUSAL


@pytest.mark.slow
def test_a_childs_child_that_left_everything_behind_is_killed(spec: JudgeSpec) -> None:
    before = {process.pid for process in psutil.process_iter()}
    score(replace(submit(spec, cheats.Does(cheats.fork)), sandbox=SandboxLevel.NONE))
    new = [process for process in psutil.process_iter(["cmdline"]) if process.pid not in before]
    left = ["sleep", cheats.FORKED_SECONDS]
    assert not [process for process in new if process.info["cmdline"] == left]


def test_what_poll_raises_ends_the_judge(spec: JudgeSpec) -> None:
    class StopNowError(Exception):
        pass

    def poll() -> None:
        raise StopNowError

    submit(spec, models.Honest())
    with pytest.raises(StopNowError):
        score(spec, poll)


def test_a_killed_judge_is_the_kits_failure(spec: JudgeSpec) -> None:
    submit(spec, models.Honest())
    judge = scoring.start(spec)
    judge.process.kill()
    with pytest.raises(ScoreFailure, match="the judge ended with status -9") as caught:
        scoring.score(spec, judge)
    assert caught.value.reason is Reason.KIT_FAILED


def test_a_submission_that_is_a_link_is_refused(spec: JudgeSpec) -> None:
    spec.submission.symlink_to(spec.dataset / "val" / "tokens.bin")
    with pytest.raises(ScoreFailure, match="not a plain file") as caught:
        score(spec)
    assert caught.value.reason is Reason.BAD_SUBMISSION


def test_an_unreadable_data_set_is_the_kits_failure(spec: JudgeSpec, tmp_path: Path) -> None:
    submit(spec, models.Honest())
    with pytest.raises(ScoreFailure, match="no data set in") as caught:
        score(replace(spec, dataset=tmp_path))
    assert caught.value.reason is Reason.KIT_FAILED
