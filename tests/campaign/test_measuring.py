from dataclasses import replace

import pytest

from autoresearch_kit.campaign.measuring import completed
from autoresearch_kit.records import LANGUAGE_MODELLING, Bound, Reason
from tests.ledger import ledger

RUN = replace(ledger.run(value=1.5), gpu_mb=700.0)


def test_a_score_has_the_kits_metrics() -> None:
    run = completed(RUN, LANGUAGE_MODELLING, nodes=400)
    assert run.score is not None
    assert run.score.values == {
        "val_bpb": 1.5,
        "peak_memory_mb": 900.0,
        "peak_gpu_mb": 700.0,
        "wall_seconds": 320.0,
        "train_seconds": 300.0,
        "nodes": 400.0,
    }


def test_the_first_objective_is_the_score() -> None:
    task = replace(LANGUAGE_MODELLING, objectives=("nodes", "val_bpb"))
    run = completed(RUN, task, nodes=400)
    assert run.score is not None
    assert (run.score.metric, run.score.value, run.score.of("val_bpb")) == ("nodes", 400.0, 1.5)


def test_a_metric_of_the_judge_stays_as_it_is() -> None:
    judged = replace(ledger.score(1.5), values={"val_bpb": 1.5, "nodes": 7.0})
    run = completed(replace(RUN, score=judged), LANGUAGE_MODELLING, nodes=400)
    assert run.score is not None
    assert run.score.of("nodes") == 7.0


@pytest.mark.parametrize("name", ["peak_gpu_mb", "inference_seconds"])
def test_a_run_without_its_objective_is_not_measured(name: str) -> None:
    task = replace(LANGUAGE_MODELLING, objectives=("val_bpb", name))
    run = completed(replace(RUN, gpu_mb=None), task, nodes=400)
    assert (run.score, run.failure) == (None, Reason.NOT_MEASURED)
    assert run.detail.startswith(f"{name}: not measured here; leave it out of objectives and b")


def test_the_baseline_must_be_measured_by_bounded_metrics() -> None:
    task = replace(LANGUAGE_MODELLING, bounds=(Bound("inference_seconds", 1.0),))
    assert completed(RUN, task, nodes=400).score is not None
    first = completed(RUN, task, nodes=400, baseline=True)
    assert (first.score, first.failure) == (None, Reason.NOT_MEASURED)


def test_a_crash_stays_as_it_is() -> None:
    crash = replace(RUN, score=None, failure=Reason.ERROR)
    assert completed(crash, LANGUAGE_MODELLING, nodes=400) == crash
