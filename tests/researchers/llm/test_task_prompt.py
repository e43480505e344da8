"""The prompt of a task that is a folder: its own metrics, and nothing of language models."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from autoresearch_kit.records import EditProtocol, Experiment, Task, TaskInfo
from autoresearch_kit.researchers.llm import prompt
from autoresearch_kit.researchers.llm.prompt import brief_of, proposal_prompt, rules
from tests.reports.tasks import FRONT, MAXIMISED, measured
from tests.researchers.llm.conftest import Ledger


def retold(experiment: Experiment, task: Task, values: Mapping[str, float]) -> Experiment:
    """Return the experiment as one of this task, measured as these values."""
    runs = tuple(measured(task, values) if run.score else run for run in experiment.runs)
    settings = replace(experiment.settings, task=task)
    return replace(experiment, runs=runs, settings=settings, bounds=task.bounds)


def prompted(ledger: Ledger, task: Task, each: Sequence[Mapping[str, float]]) -> str:
    """Return rules and prompt for a campaign of this task whose experiments measured so."""
    view, around = ledger.view, ledger.around
    tried = zip(view.experiments, each, strict=True)
    experiments = tuple(retold(one, task, values) for one, values in tried)
    told = replace(view, experiments=experiments, bounds=task.bounds)
    settings = replace(around.settings, task=task)
    info = TaskInfo(task, "d0", "m0", about="Tell handwritten digits apart.")
    text = proposal_prompt(brief_of(told, replace(around, settings=settings, dataset=info)), 10**6)
    return prompt.system_prompt(EditProtocol.TOOLS, task) + text


@pytest.fixture
def better(ledger: Ledger) -> Ledger:
    """Return a baseline and a keep."""
    ledger.constants(1, 1.5, WIDTH=16)
    return ledger


def test_a_maximised_metric_is_told_as_such(better: Ledger) -> None:
    said = prompted(better, MAXIMISED, [{"accuracy": 0.90}, {"accuracy": 0.93}])
    for words in (
        "measures accuracy (higher is better)",
        "Tell handwritten digits apart.",
        "`run.data` is the folder",
        "best: experiment 1, accuracy 0.93",
        "experiment 1: 0.030000 higher than the best before it",
    ):
        assert words in said


def test_nothing_is_said_of_language_models(better: Ledger) -> None:
    said = prompted(better, MAXIMISED, [{"accuracy": 0.90}, {"accuracy": 0.93}])
    said, _ = said.split("## The notebook")  # the cells are those of a language model here
    strange = ("val_bpb", "run.batches", "autocast", "tokens", "nats", "xz -9e", "were tuned for")
    assert [words for words in strange if words in said] == []


def test_other_objectives_and_bounds_are_told(better: Ledger) -> None:
    values = [
        {"error": 0.08, "inference_seconds": 1.2e-5, "submission_mb": 0.3},
        {"error": 0.06, "inference_seconds": 2.1e-5, "submission_mb": 0.4},
    ]
    said = prompted(better, FRONT, values)
    assert "error 0.060000, inference_seconds 2.100e-05, submission_mb 0.400000" in said
    assert "- inference_seconds <= 4e-05; the best has 2.100e-05" in said
    assert "discarded as `out of bounds`" in said
    assert "- experiment 0: error 0.080000, inference_seconds 1.200e-05 (" in said
    assert "Several numbers count: error (share of rows, lower is better); inference_sec" in said


def test_a_single_objective_is_told_of_no_front() -> None:
    assert "front" not in rules(MAXIMISED)
