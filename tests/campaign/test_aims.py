"""Several objectives and bounds in whole campaigns, whose runs are made up."""

from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign.aims import check_measured, parse, with_aims
from autoresearch_kit.campaign.options import Options
from autoresearch_kit.campaign.settings import settle
from autoresearch_kit.errors import InputError
from autoresearch_kit.execution.pool import Order
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import (
    LANGUAGE_MODELLING,
    Accelerator,
    Bound,
    Direction,
    Experiment,
    Metric,
    Reason,
    Rule,
    Run,
    Settings,
    Task,
    best_of,
)
from autoresearch_kit.verdicts.pareto import front
from tests.campaign import made_up_runs
from tests.campaign.stub_pool import CAREFUL, StubPool, Wants, run

PARAMETERS = Bound("parameters", 40.0)
SPEED = "inference_seconds"
BOTH = replace(LANGUAGE_MODELLING, objectives=("val_bpb", SPEED))


def measured(order: Order, made: Run) -> Run:
    """Wider models have more parameters, and take longer, a seed a little more or less."""
    width = float(str(TrainNotebook.parse(order.notebook).constants()["WIDTH"]))
    assert made.score is not None
    seconds = width / 1000 + (order.seed % 89 - 44) / 1e6
    values = {"val_bpb": made.score.value, "parameters": width, SPEED: seconds}
    return replace(made, score=replace(made.score, values=values))


def tried(
    project: Path, settings: Settings, *wanted: dict[str, int], slots: int = 1
) -> list[Experiment]:
    workspace = Workspace(project, "night")
    pool = StubPool(workspace.runs, slots)
    pool.changed = measured
    return run(project, pool, Wants(*wanted), settings, len(wanted))


def of(task: Task, settings: Settings = CAREFUL) -> Settings:
    return replace(settings, task=task)


@pytest.mark.parametrize("slots", [1, 3])
def test_an_edit_out_of_bounds_is_discarded_whatever_its_score(project: Path, slots: int) -> None:
    task = replace(LANGUAGE_MODELLING, bounds=(PARAMETERS,))
    wide, batch = {"WIDTH": 64}, {"WIDTH": 32}
    baseline, *ideas = tried(project, of(task), wide, batch, slots=slots)
    reasons = {each.proposal.constants["WIDTH"]: each.reason for each in ideas}
    assert reasons == {64: Reason.OUT_OF_BOUNDS, 32: Reason.BETTER}
    assert all(each.bounds == (PARAMETERS,) for each in (baseline, *ideas))
    broken = next(each for each in ideas if each.reason is Reason.OUT_OF_BOUNDS)
    assert broken.detail == "parameters is 64, parameters <= 40 must hold"
    assert len(broken.runs) == 1


def test_a_bound_that_is_added_replaces_a_best_that_breaks_it(project: Path) -> None:
    """The baseline has 8 parameters; what is kept first has 64."""
    _, first = tried(project, of(LANGUAGE_MODELLING), {"WIDTH": 64})
    assert first.reason is Reason.BETTER
    Workspace(project, "night").write_bounds((PARAMETERS,))
    wanted = {"WIDTH": 64}, {"WIDTH": 80}, {"WIDTH": 4}, {"WIDTH": 2}
    done = [first, *tried(project, of(LANGUAGE_MODELLING), *wanted)]
    reasons = [each.reason for each in done]
    assert reasons == [
        Reason.BETTER,
        Reason.OUT_OF_BOUNDS,
        Reason.WITHIN_BOUNDS,
        Reason.WORSE,
    ]
    assert [each.bounds for each in done] == [(), *[(PARAMETERS,)] * 3]
    best = best_of(History(project, "night").experiments())
    assert best is not None
    assert best.reason is Reason.WITHIN_BOUNDS


def test_an_idea_near_a_bound_is_run_up_to_the_limit(project: Path) -> None:
    task = replace(LANGUAGE_MODELLING, bounds=(Bound(SPEED, 0.064),))
    *_, near = tried(project, of(task), {"WIDTH": 64})
    assert near.reason in (Reason.BETTER, Reason.OUT_OF_BOUNDS)
    assert len(near.runs) > 3


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("rule", list(Rule))
def test_what_is_faster_is_kept_beside_the_best(project: Path, slots: int, rule: Rule) -> None:
    settings = replace(CAREFUL, rule=rule, seeds=5)
    smaller, wider = {"WIDTH": 4}, {"WIDTH": 64}
    baseline, *_ = tried(project, of(BOTH, settings), smaller, slots=slots)
    tried(project, of(BOTH, settings), smaller, wider, slots=slots)
    done = History(project, "night").experiments()
    assert [each.reason for each in done[1:]] == [Reason.TRADE_OFF, Reason.BETTER]
    best = best_of(done)
    assert best is not None
    assert best.number == 2
    assert {each.number for each in front(done, BOTH)} == {0, 1, 2}
    assert baseline.number == 0


def test_a_slower_idea_that_is_no_better_is_no_keep(project: Path) -> None:
    """Give the idea a worse batch; it takes as long as the baseline."""
    *_, idea = tried(project, of(BOTH, replace(CAREFUL, seeds=5)), {"BATCH": 1})
    assert idea.reason in (Reason.WORSE, Reason.NO_GAIN)


ACCURACY = Metric("accuracy", Direction.HIGHER, "share")


@pytest.mark.parametrize("rule", list(Rule))
def test_a_campaign_climbs_a_maximised_metric(project: Path, rule: Rule) -> None:
    def as_accuracy(order: Order, made: Run) -> Run:
        assert made.score is not None
        value = 3 - made.score.value
        score = replace(made.score, metric="accuracy", value=value, values={"accuracy": value})
        return replace(made, score=score)

    pool = StubPool(Workspace(project, "night").runs, 1)
    pool.changed = as_accuracy
    settings = of(Task("t", (ACCURACY,), ("accuracy",)), replace(CAREFUL, rule=rule, seeds=5))
    wants = Wants({"WIDTH": 4}, {"WIDTH": 64})
    _, worse, better = run(project, pool, wants, settings, 2)
    assert (worse.reason, better.reason) == (Reason.WORSE, Reason.BETTER)
    assert "share higher" in better.detail
    assert all(score > 1 for score in better.scores)


def test_objectives_and_bounds_are_options(project: Path) -> None:
    options = Options(objectives="val_bpb, inference_seconds", bound=("parameters <= 3e7",))
    settings = settle(project, "night", options)
    assert settings.task.objectives == ("val_bpb", SPEED)
    assert settings.task.bounds == (Bound("parameters", 3e7),)
    assert settings.seeds == 5
    assert settle(project, "night", Options(rule=Rule.GREEDY, objectives="nodes")).seeds == 3
    assert settle(project, "night", Options()).seeds == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (Options(objectives="val_bpb,speed"), "'speed' is no metric; known are val_bpb"),
        (Options(objectives="nodes,nodes"), "name each objective once"),
        (Options(bound=("parameters < 5",)), "write 'METRIC <= NUMBER'"),
        (Options(bound=("speed <= 5",)), "is on no metric"),
        (Options(bound=("nodes <= -5",)), "never below 0"),
        (Options(bound=("nodes <= 5", "nodes >= 6")), "can't both hold"),
        (Options(objectives="nodes", seeds=1), "give at least 2"),
        (Options(objectives="val_bpb,peak_gpu_mb"), "runs have no NVIDIA GPU"),
        (Options(bound=("peak_gpu_mb <= 9",)), "runs have no NVIDIA GPU"),
    ],
)
def test_aims_that_make_no_sense_are_refused(project: Path, options: Options, said: str) -> None:
    with pytest.raises(InputError, match=said):
        settle(project, "night", options)


def test_a_gpus_memory_can_be_an_objective_where_there_is_one() -> None:
    task = with_aims(LANGUAGE_MODELLING, "val_bpb,peak_gpu_mb", None)
    check_measured(task, Accelerator("cuda", (9, 0), 85_000))
    with pytest.raises(InputError):
        check_measured(task, Accelerator("mps", (0, 0), 8_000))


def test_a_campaign_that_was_started_is_told_of_the_command(project: Path) -> None:
    Workspace(project, "night").create()
    Workspace(project, "night").write_settings(made_up_runs.SETTINGS)
    with pytest.raises(InputError, match="autoresearch bound night 'nodes <= 5'"):
        settle(project, "night", Options(bound=("nodes <= 5",)))
    with pytest.raises(InputError, match="was started with --objectives val_bpb"):
        settle(project, "night", Options(objectives="nodes"))
    assert settle(project, "night", Options(objectives=" val_bpb ")) == made_up_runs.SETTINGS


@pytest.mark.parametrize("limit", ["1234567", "30000001.5", "0.1", "1e-05", "-3", "3e+20"])
def test_a_bound_is_told_as_it_was_given(limit: str) -> None:
    assert str(parse(f"nodes <= {limit}")) == f"nodes <= {limit}"


def test_a_new_bound_replaces_the_old_one_on_its_side() -> None:
    task = with_aims(LANGUAGE_MODELLING, None, ["nodes <= 9", "nodes >= 2", "nodes <= 7"])
    assert [str(each) for each in task.bounds] == ["nodes <= 7", "nodes >= 2"]
    assert parse("nodes <= 7") == task.bounds[0]
