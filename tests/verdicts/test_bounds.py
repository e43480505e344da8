from dataclasses import replace

import pytest

from autoresearch_kit.records import (
    LANGUAGE_MODELLING,
    Arm,
    Bound,
    Direction,
    Metric,
    Noise,
    Reason,
    Verdict,
)
from autoresearch_kit.verdicts.bounds import BoundTest, Standing, in_force, within
from autoresearch_kit.verdicts.decide import Decision
from autoresearch_kit.verdicts.samples import Sample
from tests.ledger.ledger import experiment

LATENCY = Metric("latency_ms", unit="ms", zero_is_floor=True)
RECALL = Metric("recall", Direction.HIGHER)
AT_MOST, AT_LEAST = Bound("latency_ms", 5.0), Bound("recall", 0.8, at_most=False)
BETTER = Decision(Verdict.KEEP, Reason.BETTER, "better")
WORSE = Decision(Verdict.DISCARD, Reason.WORSE, "worse")


def held(*scores: float, bound: Bound = AT_MOST, sigma: float | None = 0.1) -> BoundTest:
    metric = LATENCY if bound.metric == "latency_ms" else RECALL
    noise = None if sigma is None else Noise(sigma, 20.0)
    return BoundTest(bound, Sample(scores, 100, metric=metric), noise)


@pytest.mark.parametrize(
    ("known", "last", "standing"),
    [
        (held(4.7), False, Standing.WITHIN),
        (held(4.9), False, Standing.OPEN),
        (held(5.1), False, Standing.OPEN),
        (held(5.3), False, Standing.BROKEN),
        (held(4.9), True, Standing.WITHIN),
        (held(5.0, 5.1), True, Standing.BROKEN),
        (held(4.9, 4.8, 4.9, 4.9), False, Standing.WITHIN),
        (held(5.0, sigma=0.0), False, Standing.WITHIN),
        (held(0.8, 0.8, 0.8, bound=AT_LEAST, sigma=0.0), False, Standing.WITHIN),
        (held(0.1, 0.1, 0.1, bound=Bound("latency_ms", 0.1), sigma=0.0), False, Standing.WITHIN),
        (held(5.0001, sigma=0.0), False, Standing.BROKEN),
        (held(5.0001, sigma=None), False, Standing.BROKEN),
        (held(0.9, bound=AT_LEAST, sigma=0.01), False, Standing.WITHIN),
        (held(0.79, bound=AT_LEAST, sigma=0.01), False, Standing.OPEN),
        (held(0.7, bound=AT_LEAST, sigma=0.01), False, Standing.BROKEN),
        (held(), False, Standing.BROKEN),
    ],
)
def test_a_bound_is_decided_against_its_metrics_noise(
    known: BoundTest, last: bool, standing: Standing
) -> None:
    assert known.standing(last=last) is standing


@pytest.mark.parametrize("last", [False, True])
def test_a_metric_that_a_run_lacks_is_not_within(last: bool) -> None:
    within_by_two = Sample((4.0, 4.0), 100, metric=LATENCY)
    known = [BoundTest.of_idea(AT_MOST, within_by_two, Noise(0.1, 20.0), runs) for runs in (2, 3)]
    assert [each.standing(last=last) for each in known] == [Standing.WITHIN, Standing.BROKEN]


@pytest.mark.parametrize("decided", [BETTER, WORSE, Arm.CHALLENGER, Arm.BEST])
def test_what_breaks_a_bound_is_discarded_whatever_its_score(decided: Decision | Arm) -> None:
    found = within(decided, [held(4.0), held(9.0)], [], last=False)
    assert isinstance(found, Decision)
    assert (found.verdict, found.reason) == (Verdict.DISCARD, Reason.OUT_OF_BOUNDS)
    assert found.detail == "latency_ms is 9.00 ± 0.10, latency_ms <= 5 must hold"


def test_only_what_is_to_be_kept_is_run_again_for_a_bound() -> None:
    assert within(BETTER, [held(4.9)], [], last=False) is Arm.CHALLENGER
    assert within(BETTER, [held(4.9)], [], last=True) is BETTER
    assert within(WORSE, [held(4.9)], [], last=False) is WORSE
    assert within(Arm.BEST, [held(4.9)], [], last=False) is Arm.BEST


@pytest.mark.parametrize("decided", [BETTER, WORSE, Arm.BEST])
def test_the_first_within_replaces_a_best_that_breaks_a_bound(decided: Decision | Arm) -> None:
    found = within(decided, [held(4.5)], [held(6.0, 6.1)], last=False)
    assert isinstance(found, Decision)
    assert (found.verdict, found.reason) == (Verdict.KEEP, Reason.WITHIN_BOUNDS)
    assert "of the best, latency_ms is 6.050" in found.detail
    assert within(decided, [held(4.9)], [held(6.0, 6.1)], last=False) is Arm.CHALLENGER


@pytest.mark.parametrize("best", [held(5.05, 5.0), held()])
def test_a_best_that_may_be_within_is_not_replaced(best: BoundTest) -> None:
    assert within(WORSE, [held(4.5)], [best], last=False) is WORSE


def test_written_bounds_hold_then_the_last_recorded_then_the_tasks() -> None:
    task = replace(LANGUAGE_MODELLING, bounds=(AT_MOST,))
    recorded = [experiment(0), replace(experiment(1), bounds=(AT_LEAST,))]
    assert in_force(None, [], task) == (AT_MOST,)
    assert in_force(None, recorded, task) == (AT_LEAST,)
    assert in_force((), recorded, task) == ()
