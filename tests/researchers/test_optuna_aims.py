"""Optuna with several objectives and with bounds: a formula of the constants stands in for runs."""

import math
from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean

import pytest

from autoresearch_kit.records import (
    LANGUAGE_MODELLING,
    VAL_BPB,
    Bound,
    Constant,
    Direction,
    Experiment,
    Metric,
    Proposal,
    Reason,
    Task,
    Verdict,
)
from autoresearch_kit.researchers import View
from autoresearch_kit.researchers.optuna import OptunaResearcher
from autoresearch_kit.researchers.outcomes import find_outcomes
from autoresearch_kit.verdicts.decide import Decision
from tests.researchers.fake_campaign import BASELINE, experiment, notebook

CONFIG = "RATE = 0.1\nWIDTH = 8.0  # of the model; 1..64 log\n"
SPEED = Metric("tokens_per_second", Direction.HIGHER)
TASK = replace(LANGUAGE_MODELLING, metrics=(VAL_BPB, SPEED), objectives=("val_bpb", SPEED.name))


def measured(constants: Mapping[str, Constant]) -> dict[str, float]:
    """A wider model is better and slower; the rate should be 0.3."""
    rate, width = (float(str(constants[name])) for name in ("RATE", "WIDTH"))
    bpb = 1.2 + 0.1 * math.log(rate / 0.3) ** 2 + 1 / width
    return {"val_bpb": bpb, SPEED.name: 1000 / width, "parameters": width}


def tried(task: Task, count: int, bounds: tuple[Bound, ...] = ()) -> View:
    """Return a campaign of this task after so many experiments, of which none is kept."""
    start, researcher = notebook(CONFIG), OptunaResearcher()
    keep = Decision(Verdict.KEEP, Reason.BASELINE, "")
    discard = Decision(Verdict.DISCARD, Reason.WORSE, "")
    done = [_experiment(experiment(BASELINE, start, 1.0, keep, "night"), task)]
    while len(done) <= count:
        view = View("night", len(done), 0, start, tuple(done), bounds=bounds)
        proposal = researcher.propose(view)
        made = experiment(proposal, start.apply((), proposal.constants), 1.0, discard, "night")
        done.append(_experiment(made, task))
    return View("night", len(done), 0, start, tuple(done), bounds=bounds)


def _experiment(made: Experiment, task: Task) -> Experiment:
    [run] = made.runs
    assert run.score is not None
    values = measured(made.constants)
    score = replace(run.score, value=values["val_bpb"], values=values)
    return replace(
        made, runs=(replace(run, score=score),), settings=replace(made.settings, task=task)
    )


def test_each_objective_counts_in_its_own_direction() -> None:
    view = tried(TASK, 2)
    for outcome, known in zip(find_outcomes(view), view.experiments, strict=True):
        values = measured(known.constants)
        assert outcome.values == (values["val_bpb"], -values[SPEED.name])


def test_a_crash_is_worse_than_all_others_in_each_objective() -> None:
    view = tried(TASK, 4)
    crash = replace(
        view.experiments[-1], verdict=Verdict.CRASH, reason=Reason.OUT_OF_MEMORY, runs=()
    )
    *others, last = find_outcomes(replace(view, experiments=(*view.experiments[:-1], crash)))
    assert all(last.values[at] > max(each.values[at] for each in others) for at in (0, 1))
    assert not last.outside


def widths(view: View, late: int) -> list[float]:
    return [float(str(each.constants["WIDTH"])) for each in view.experiments[-late:]]


def test_two_objectives_are_searched_on_both_sides() -> None:
    found = widths(tried(TASK, 60), 30)
    assert min(found) < 3
    assert max(found) > 20


def test_a_single_objective_is_searched_where_it_is_best() -> None:
    assert fmean(map(math.log, widths(tried(LANGUAGE_MODELLING, 60), 30))) > math.log(12)


@pytest.mark.parametrize(
    ("task", "bound", "over"),
    [
        (LANGUAGE_MODELLING, Bound("parameters", 6.0), 1 / 3),
        (TASK, Bound("parameters", 20.0, at_most=False), 0.6),
    ],
)
def test_bounds_are_constraints_of_the_search(task: Task, bound: Bound, over: float) -> None:
    """Without bounds, a single objective pulls to wide models, and both pull to narrow ones."""
    assert find_outcomes(tried(task, 1, (bound,)))[0].outside == {str(bound): pytest.approx(over)}
    assert _share_within(tried(task, 60), bound) < 0.5
    assert _share_within(tried(task, 60, (bound,)), bound) > 0.6


def _share_within(view: View, bound: Bound) -> float:
    """Return which share of TPE's later proposals is within the bound."""
    modelled = [e for e in view.experiments[30:] if e.proposal.hypothesis.startswith("TPE, from ")]
    return fmean(bound.holds(float(str(each.constants["WIDTH"]))) for each in modelled)


def test_experiments_in_flight_are_no_hindrance_with_several_objectives() -> None:
    view = tried(TASK, 40)
    proposals = list[Proposal]()
    for number in range(41, 47):
        now = replace(view, number=number, running=tuple(proposals))
        proposals.append(OptunaResearcher().propose(now))
    assert len({str(each.constants) for each in proposals}) == 6
