"""Test runs on a GPU: one campaign of a tiny notebook there, and a step that is too large."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.campaign.settings import settle
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.records import Experiment, Limits, Run, SandboxLevel
from autoresearch_kit.training.kernel import Batch, Passes
from tests.campaign import tiny

pytestmark = pytest.mark.gpu

HELD_MB = 2000.0
"""Memory of the GPU that the notebook takes beside its model."""

LOOKS = f"""
import ctypes
from pathlib import Path

status = ctypes.CDLL("libcuda.so.1").cuInit(0)
nodes = [node for node in Path("/dev").glob("nvidia*") if node.name[6:].isdigit()]
seen = {{"status": status, "nodes": len(nodes), "gpus": torch.cuda.device_count()}}
seen["trains_there"] = run.device.type == "cuda"
held = torch.ones({round(HELD_MB * 1e6)}, dtype=torch.uint8, device="cuda")
"""

FREE = 10.0**9
"""Bytes of the GPU that a row of the large step takes."""


@dataclass(frozen=True)
class OnGpu:
    """The baseline of a campaign there, and what its notebook saw."""

    experiment: Experiment
    seen: Mapping[str, float]

    @property
    def run(self) -> Run:
        """Return the only run of an experiment."""
        return self.experiment.runs[0]


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> OnGpu:
    changed = {
        "model": LOOKS + tiny.CELLS["model"],
        "train": tiny.CELLS["train"].replace(
            "tokens=inputs.numel()", "tokens=inputs.numel(), **seen"
        ),
    }
    root = tiny.make_project(tmp_path_factory.mktemp("gpu") / "project", **changed)
    settings = settle(root, "gpu", tiny.options(corpus, 3.0))
    small = replace(settings, vocab_size=1024, context=512)
    campaign = Campaign("gpu", small, root=root)
    (experiment,) = campaign.run(Limits(experiments=0))
    line = campaign.history.file(0, "metrics.jsonl").splitlines()[-1]
    return OnGpu(experiment, json.loads(line))


def test_cuda_starts_inside_the_sandbox(baseline: OnGpu) -> None:
    assert baseline.seen["status"] == 0
    assert baseline.seen["trains_there"]


@pytest.mark.skipif(bool(bubblewrap.why_not()), reason=bubblewrap.why_not())
def test_of_all_gpus_only_the_runs_own_is_there(baseline: OnGpu) -> None:
    assert baseline.run.sandbox is SandboxLevel.BUBBLEWRAP
    assert (baseline.seen["nodes"], baseline.seen["gpus"]) == (1, 1)


def test_the_model_is_scored_there(baseline: OnGpu) -> None:
    assert baseline.run.score is not None
    assert baseline.run.score.on_device


def test_the_record_has_the_peak_of_the_gpus_memory(baseline: OnGpu) -> None:
    assert baseline.run.gpu_allocated_mb is not None
    assert HELD_MB <= baseline.run.gpu_allocated_mb < HELD_MB + 500
    assert baseline.run.gpu_mb is not None
    assert HELD_MB < baseline.run.gpu_mb < HELD_MB + 4000


def test_what_else_went_on_there_is_recorded(baseline: OnGpu) -> None:
    conditions = baseline.run.conditions
    assert conditions is not None
    assert [gpu.name for gpu in conditions.gpus] == [torch.cuda.get_device_name(0)]


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Room for three rows of the large step."""
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(
        (torch.cuda.memory_reserved() + 3.5 * FREE) / total, 0
    )
    yield
    torch.cuda.set_per_process_memory_fraction(1.0, 0)
    torch.cuda.empty_cache()


@pytest.mark.usefixtures("little_memory")
def test_out_of_memory_a_step_is_taken_in_smaller_passes() -> None:
    weight = torch.ones(1, device="cuda", requires_grad=True)
    said: list[str] = []

    def backward(batches: Sequence[Batch]) -> Tensor:
        total = torch.zeros((), device="cuda")
        for inputs, _ in batches:
            taken = torch.ones(len(inputs), round(FREE / 4), device="cuda")
            loss = (weight * inputs.float() * taken[:, 0]).mean() / len(batches)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

    def forget() -> None:
        weight.grad = None

    rows = torch.arange(8, device="cuda")
    loss = Passes(said.append).gradients(backward, [(rows, rows)], forget)
    assert loss.item() == pytest.approx(3.5)
    assert weight.grad is not None
    assert weight.grad.item() == pytest.approx(3.5)
    assert [line.partition(":")[0] for line in said] == [
        "out of memory with 8 rows at once",
        "out of memory with 4 rows at once",
    ]
