"""Verdicts by metrics that are not a language model's."""

from dataclasses import replace
from random import Random

import pytest

from autoresearch_kit.records import (
    Arm,
    Direction,
    Experiment,
    Measured,
    Metric,
    Noise,
    Reason,
    Rule,
    Settings,
    Task,
)
from autoresearch_kit.verdicts import noise, repeats
from autoresearch_kit.verdicts.audit import second_opinion
from autoresearch_kit.verdicts.decide import Decision, decide
from autoresearch_kit.verdicts.estimates import estimates
from autoresearch_kit.verdicts.gains import gain_of, probability_better
from autoresearch_kit.verdicts.noise import UNSURE
from autoresearch_kit.verdicts.repeats import SeedOutcome
from autoresearch_kit.verdicts.robust_sigma import Group
from autoresearch_kit.verdicts.runs_by_code import BASELINE
from autoresearch_kit.verdicts.samples import Best, Sample
from tests.ledger.ledger import SETTINGS, experiment, run, score

ACCURACY = Metric("accuracy", Direction.HIGHER, "share")
LATENCY = Metric("latency_ms", unit="ms", zero_is_floor=True)
KNOWN, NO_NOISE = Noise(0.01, 20.0), Noise(0.0, 4.0)


def judged(
    metric: Metric,
    own: tuple[float, ...],
    beside: tuple[float, ...],
    known: Noise = KNOWN,
    error: float = 0.0,
    nodes: int = 100,
) -> Decision | Arm:
    best = Best(beside[:1], 100, beside, metric=metric, error=error)
    return decide(Sample(own, nodes, metric=metric, error=error), best, known, Rule.CAREFUL)


def reason_of(found: Decision | Arm) -> Reason | Arm:
    return found.reason if isinstance(found, Decision) else found


@pytest.mark.parametrize(("own", "reason"), [(0.97, Reason.BETTER), (0.75, Reason.WORSE)])
def test_more_of_a_maximised_metric_is_better(own: float, reason: Reason) -> None:
    found = judged(ACCURACY, (own, own + 0.008, own - 0.008), (0.85, 0.86))
    assert isinstance(found, Decision)
    assert found.reason is reason
    assert found.gain is not None
    assert (found.gain.value > 0) == (reason is Reason.BETTER)


def test_the_detail_has_the_metrics_own_words() -> None:
    found = judged(ACCURACY, (0.95, 0.96, 0.94), (0.84, 0.86))
    assert isinstance(found, Decision)
    assert found.detail == (
        "accuracy 0.950000 (mean of 2) against the best's 0.850000 (mean of 2) beside it: "
        "0.100000 ± 0.010000 share higher"
    )


@pytest.mark.parametrize(
    ("own", "reason"), [(2.0, Reason.BETTER), (1.0, Reason.WORSE), (1.5, Reason.NO_GAIN)]
)
def test_greedily_more_of_a_maximised_metric_is_kept(own: float, reason: Reason) -> None:
    best = Best((1.5,), 100, metric=ACCURACY)
    assert (
        reason_of(decide(Sample((own,), 100, metric=ACCURACY), best, None, Rule.GREEDY)) is reason
    )


def test_nanoseconds_are_no_tie() -> None:
    metric = Metric("seconds", unit="s")
    best, own = Best((4.5e-9,), 9, metric=metric), Sample((4.4e-9,), 9, metric=metric)
    found = decide(own, best, None, Rule.GREEDY)
    assert isinstance(found, Decision)
    assert found.reason is Reason.BETTER
    assert found.detail.endswith("1.000e-10 s lower")


def test_less_code_may_lose_a_little_of_a_maximised_metric() -> None:
    beside = (0.85, 0.858, 0.842, 0.858, 0.842)
    own = tuple(value + 0.009 for value in (0.85, *beside))
    assert reason_of(judged(ACCURACY, own, beside, nodes=90)) is Reason.SIMPLER


@pytest.mark.parametrize(
    ("own", "nodes", "follows"),
    [
        ((5.0,), 100, Reason.NO_GAIN),
        ((5.1,), 100, Reason.WORSE),
        ((4.9,), 100, Arm.CHALLENGER),
        ((4.9,) * 3, 100, Reason.BETTER),
        ((5.0,) * 3, 90, Reason.SIMPLER),
        ((4.9, 4.8, 5.0), 100, Arm.CHALLENGER),
    ],
)
def test_without_noise_any_difference_counts(
    own: tuple[float, ...], nodes: int, follows: Reason | Arm
) -> None:
    found = judged(LATENCY, own, (5.0, 5.0), NO_NOISE, nodes=nodes)
    assert reason_of(found) is follows
    assert not isinstance(found, Decision) or "seed" not in found.detail


def test_sums_in_another_order_are_the_same() -> None:
    found = judged(LATENCY, (5.0 - 1e-12,) * 3, (5.0, 5.0), NO_NOISE)
    assert reason_of(found) is Reason.NO_GAIN


def test_code_with_noise_of_its_own_is_held_against_that() -> None:
    own = Sample((4.9, 4.7), 100, metric=LATENCY)
    gain = gain_of(own, Sample((5.0, 5.0), 100, metric=LATENCY), NO_NOISE)
    assert (round(gain.error, 6), gain.dof) == (0.1, 1.0)
    assert probability_better(gain) < 0.9


def test_a_reported_error_is_not_made_smaller_by_runs() -> None:
    own, best = (Sample((value,) * 6, 1, metric=ACCURACY, error=0.03) for value in (0.9, 0.8))
    gain = gain_of(own, best, KNOWN)
    assert gain.error == pytest.approx(0.03 * 2**0.5)
    assert probability_better(gain) == pytest.approx(0.99, abs=0.003)


def test_a_reported_error_ends_hopeless_ideas_at_once() -> None:
    assert reason_of(judged(ACCURACY, (0.9,), (0.85, 0.85), error=0.03)) is Reason.NO_GAIN
    assert judged(ACCURACY, (1.0,), (0.8, 0.8), error=0.03) is Arm.CHALLENGER


def test_the_larger_of_both_errors_counts() -> None:
    own, best = (Sample((value,), 1, metric=ACCURACY, error=0.001) for value in (0.9, 0.8))
    assert gain_of(own, best, KNOWN).error == pytest.approx(0.01 * 2**0.5)


def test_the_baselines_runs_are_the_prior_of_other_metrics() -> None:
    baseline = (5.0, 5.2, 4.9, 5.1, 5.05)
    known = noise.measured(LATENCY, baseline, [Group(BASELINE, baseline)], accelerator=False)
    assert known is not None
    assert known.sigma == pytest.approx(UNSURE * 0.1118, abs=1e-4)
    assert known.dof == 4


def test_one_run_says_nothing_of_another_metrics_noise() -> None:
    assert noise.measured(LATENCY, (5.0,), [], accelerator=False) is None


@pytest.mark.parametrize("spread", [0.0, 1e-9, 10.0])
def test_no_edited_code_moves_another_metrics_noise_far(spread: float) -> None:
    rng, baseline = Random(0), (5.0, 5.2, 4.9, 5.1, 5.05)
    wild = [
        Group(code, tuple(5 + spread * rng.gauss(0, 1) for _ in range(3))) for code in range(1, 60)
    ]
    groups = [Group(BASELINE, baseline), *wild]
    known = noise.measured(LATENCY, baseline, groups, accelerator=False)
    assert known is not None
    assert 0.5 * 0.1118 < known.sigma < 4 * UNSURE * 0.1118


def test_edited_code_makes_no_noise_where_the_baseline_has_none() -> None:
    baseline = (5.0,) * 5
    groups = [Group(BASELINE, baseline), Group(1, (4.0, 6.0))]
    assert noise.measured(LATENCY, baseline, groups, accelerator=False) == Noise(0.0, 4)
    again = [*groups, Group(BASELINE, (5.0, 5.1))]
    known = noise.measured(LATENCY, baseline, again, accelerator=False)
    assert known is not None
    assert known.sigma > 0
    assert noise.describe(NO_NOISE) == "none: 5 runs of the baseline measured the same"


@pytest.mark.parametrize(("aside", "counts"), [(0.79, True), (0.7, False)])
def test_only_a_score_too_bad_for_luck_is_the_machines(aside: float, counts: bool) -> None:
    runs = [replace(run(), score=replace(score(v), metric="accuracy")) for v in (0.8, aside)]
    chosen, other = (Measured(1, Arm.CHALLENGER, 0, "c0de", "run-1", each) for each in runs)
    scores = repeats.claimed([SeedOutcome(chosen, (other,))], ACCURACY, 0.01, SETTINGS, 0.0)
    assert (aside in scores) is counts


def campaign(*scores: tuple[float, ...], errors: float = 0.0) -> list[Experiment]:
    """Keeps, with these accuracies of their runs on val and on audit."""
    task = Task("t", (ACCURACY,), ("accuracy",))
    settings: Settings = replace(SETTINGS, task=task)
    made = list[Experiment]()
    for number, (val, audit) in enumerate(scores):
        known = {"accuracy": errors} if errors else {}
        both = [
            replace(score(v), metric="accuracy", values={"accuracy": v}, errors=known)
            for v in (val, audit)
        ]
        runs = (replace(run(), score=both[0], audit=both[1]),)
        made.append(replace(experiment(number), settings=settings, runs=runs, noise=KNOWN))
    return made


def test_the_audit_of_a_maximised_metric_parts_by_its_gains() -> None:
    opinion = second_opinion(campaign((0.8, 0.79), (0.9, 0.8)))
    assert [round(keep.parted, 6) for keep in opinion.keeps] == [0.0, 0.09]
    assert "gained 0.100000 share on val and 0.010000 on audit" in opinion.warning


def test_an_estimate_is_no_surer_than_the_measurement_reports() -> None:
    assert estimates(campaign((0.8, 0.8), errors=0.05))[0].error == 0.05
    assert estimates(campaign((0.8, 0.8)))[0].error == 0.01
