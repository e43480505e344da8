"""Findings on keeps, by formulas that stand in for runs."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from autoresearch_kit.records import Bound
from autoresearch_kit.reports.confirmation import Finding, Trial, Trials
from autoresearch_kit.studies.confirm.judging import Standing, best_runs, standing_of
from autoresearch_kit.studies.confirm.plan import Plan, Variant
from autoresearch_kit.studies.confirm.results import sum_up
from tests.ledger.ledger import experiment
from tests.studies.nights import NOISE, Scored, carry_out, chain, edit, one_more, ran

PLAN = chain({"BATCH": 8}, {"RATE": 0.1}, {"WIDTH": 16})


def scores(*gains: float, plan: Plan = PLAN, jitter: float = 0.0) -> Scored:
    """Return scores: 1.0 for the best, and worse by its gain without a keep."""

    def scored(variant: Variant, at: int) -> float:
        chance = random.Random(f"{variant.code} {at}").gauss(0, jitter)
        return 1.0 + sum(gains[number - 1] for number in variant.out) + chance

    return scored


def findings(standing: Standing) -> list[Finding]:
    baseline = replace(experiment(0, 1.5), runs=(ran(1.5),))
    return [keep.finding for keep in sum_up(standing, [baseline]).keeps]


def test_keeps_are_real_unclear_or_false_and_doubtful_ones_pruned() -> None:
    standing = carry_out(PLAN, scores(0.1, 0.004, -0.02))
    assert findings(standing) == [Finding.REAL, Finding.UNCLEAR, Finding.FALSE]
    assert standing.pruned is not None
    assert standing.pruned.out == (2, 3)
    runs = [len(standing.runs(variant.code)) for variant in PLAN.without]
    assert runs == [3, 6, 3]  # more for what is unclear, and for the best
    assert len(standing.runs(PLAN.best.code)) >= 6


def test_the_best_is_run_most_often() -> None:
    assert [best_runs(3, variants) for variants in (1, 4, 8)] == [3, 6, 8]


def test_variants_take_turns_under_the_same_seeds() -> None:
    todo = standing_of(PLAN, Trials(3, NOISE)).todo
    half = Counter(each.variant.code for each in todo[: len(todo) // 2])
    for variant in PLAN.without:
        assert {each.at for each in todo if each.variant.code == variant.code} == {0, 1, 2}
        assert half[variant.code] in (1, 2)


def test_a_crash_is_not_repeated_and_its_keep_is_needed() -> None:
    def scored(variant: Variant, at: int) -> float | None:
        return None if variant.out == (2,) else scores(0.1, 0, -0.02)(variant, at)

    standing = carry_out(PLAN, scored)
    assert findings(standing) == [Finding.REAL, Finding.NEEDED, Finding.FALSE]
    assert len(standing.runs(PLAN.without[1].code)) == 1
    assert standing.pruned is not None
    assert standing.pruned.out == (3,)


@pytest.mark.parametrize(("gain", "finding"), [(0.05, Finding.REAL), (-0.02, Finding.FALSE)])
def test_a_base_of_a_real_keep_is_needed(gain: float, finding: Finding) -> None:
    plan = chain({"BATCH": 8}, {"BATCH": 16})
    standing = carry_out(plan, scores(0.1, gain))
    first = Finding.NEEDED if finding is Finding.REAL else Finding.REAL
    assert findings(standing) == [first, finding]
    assert standing.pruned is not None
    assert standing.pruned.notebook.constants()["BATCH"] == (16 if gain > 0 else 8)


def test_what_was_undone_takes_no_runs() -> None:
    plan = chain({"BATCH": 8}, {"RATE": 0.1}, {"BATCH": 4})
    standing = carry_out(plan, scores(9, 0.1, 0.1))
    assert findings(standing)[0] is Finding.GONE


def test_a_tie_that_made_code_simpler_stays() -> None:
    shorter = edit("train", "    run.log(loss=loss.item(), tokens=inputs.numel())", "")
    plan = chain({"BATCH": 8}, shorter)
    standing = carry_out(plan, scores(0.1, 0.001))
    assert standing.pruned is not None
    assert standing.pruned.out == ()


def test_the_pruned_best_is_run_unless_a_variant_equals_it() -> None:
    one_goes = carry_out(PLAN, scores(0.1, 0.1, -0.02))
    two_go = carry_out(PLAN, scores(0.1, -0.02, -0.02))
    codes = {PLAN.best.code, *PLAN.compared}
    assert {trial.code for trial in one_goes.trials.done} == codes
    assert len({trial.code for trial in two_go.trials.done} - codes) == 1


@pytest.mark.parametrize(("together", "prune"), [(-0.04, True), (0.2, False)])
def test_pruning_is_advised_unless_it_costs(together: float, prune: bool) -> None:
    def scored(variant: Variant, at: int) -> float | None:
        both = variant.out == (2, 3)
        return 1.0 + together if both else scores(0.1, -0.02, -0.02)(variant, at)

    said = sum_up(carry_out(PLAN, scored), [replace(experiment(0, 1.5), runs=(ran(1.5),))])
    assert said.prune is prune
    assert ("clearly worse" in said.detail) is not prune


def test_pruning_is_not_advised_where_it_breaks_a_bound() -> None:
    def scored(variant: Variant, at: int) -> float | None:
        return 0.9 if variant.out == (2, 3) else scores(0.1, -0.02, -0.02)(variant, at)

    bounds = (Bound("val_bpb", 0.95, at_most=False),)
    baseline = replace(experiment(0, 1.5), runs=(ran(1.5),), bounds=bounds)
    said = sum_up(carry_out(PLAN, scored), [baseline])
    assert not said.prune
    assert said.detail == "the pruned best breaks val_bpb >= 0.95: begin with the best"


def test_an_interrupted_confirmation_ends_as_an_uninterrupted_one() -> None:
    scored = scores(0.05, 0.005, 0.004, jitter=0.01)
    whole = carry_out(PLAN, scored)
    standing = standing_of(PLAN, Trials(3, NOISE))
    while standing.todo:
        standing = standing_of(PLAN, one_more(standing, scored).trials)
    assert standing.trials == whole.trials
    assert findings(standing) == findings(whole)
    done = whole.trials.done
    assert len({(trial.code, trial.at) for trial in done}) == len(done)


def test_a_disturbed_run_is_repeated_and_never_counts() -> None:
    first = standing_of(PLAN, Trials(3, NOISE)).todo[0]
    code = first.variant.code
    trial = Trial(code, first.at, ran(1.1), "the machine was busy")
    assert first in standing_of(PLAN, Trials(3, NOISE, (trial,))).todo
    again = replace(trial, run=ran(1.0), disturbed="")
    for second, runs in ((again, [again.run]), (trial, [])):
        over = standing_of(PLAN, Trials(3, NOISE, (trial, second)))
        assert first not in over.todo
        assert over.runs(code) == runs


def test_more_seeds_go_on_from_the_runs_there_are() -> None:
    standing = carry_out(PLAN, scores(0.1, 0.1, 0.1))
    more = standing_of(PLAN, replace(standing.trials, seeds=4))
    assert {each.at for each in more.todo if each.variant.out} == {3}


def test_the_forecast_is_kept() -> None:
    first = standing_of(PLAN, Trials(3, NOISE))
    most = first.left + first.more
    assert len(carry_out(PLAN, scores(0.004, 0.004, 0.004)).trials.done) <= most


def test_a_best_that_crashes_ends_it() -> None:
    standing = carry_out(PLAN, lambda variant, _: 1.1 if variant.out else None)
    assert standing.sample(PLAN.best) is None
    assert findings(standing) == [Finding.UNCLEAR] * 3
