"""The noise and the estimates, from runs of the same code."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from statistics import median

import pytest

from autoresearch_kit.records import Noise, Verdict, latest_noise
from autoresearch_kit.verdicts import noise
from autoresearch_kit.verdicts.estimates import best_estimate, estimates
from autoresearch_kit.verdicts.gains import error_of_mean
from autoresearch_kit.verdicts.robust_sigma import CODE_DOF, Group, pool
from autoresearch_kit.verdicts.runs_by_code import BASELINE, scores_by_code
from tests.ledger.ledger import disturbed, experiment, repeated, run

SIGMA = 0.01
BELIEVED = Noise(SIGMA, 3.0)
BASE = Group(BASELINE, (1.37, 1.38, 1.362))


def honest(code: int, count: int, rng: Random, sigma: float = SIGMA) -> Group:
    return Group(code, tuple(1.3 + rng.gauss(0, sigma) for _ in range(count)))


def typical(make: Callable[[int, Random], Group], believed: Noise = BELIEVED) -> float:
    """Return the median of sigma, in true sigmas, after an honest baseline and 30 codes."""
    sigmas = []
    for seed in range(9):
        rng = Random(seed)
        groups = [honest(BASELINE, 3, rng), *(make(code, rng) for code in range(1, 31))]
        sigmas.append(pool(groups, believed).sigma / SIGMA)
    return median(sigmas)


def test_without_repeats_the_prior_stays() -> None:
    for groups in ([Group(0, (1.2,)), Group(1, (1.3,))], [Group(BASELINE, (1.3,) * 3)]):
        assert pool(groups, BELIEVED) == BELIEVED


@pytest.mark.parametrize(
    ("wrong", "low", "high"), [(1, 0.9, 1.1), (0.33, 0.75, 1.6), (3, 0.75, 1.6)]
)
def test_honest_repeats_correct_a_wrong_prior(wrong: float, low: float, high: float) -> None:
    believed = Noise(wrong * SIGMA, 3.0)
    assert low < typical(lambda code, rng: honest(code, 3, rng), believed) < high


@pytest.mark.parametrize("far", [0.03, 0.05, 0.1, 1.0, 100.0])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_outlier_moves_sigma_by_at_most_a_half(far: float, place: int) -> None:
    idea = Group(1, (1.2583, 1.2617, 1.2713))
    others = [idea, Group(2, (1.33, 1.345))]
    for known in ([BASE], [BASE, *others]):
        before = pool(known, BELIEVED).sigma
        for struck in known:
            if place < len(struck.scores):
                scores = list(struck.scores)
                scores[place] += far
                groups = [
                    replace(each, scores=tuple(scores)) if each is struck else each
                    for each in known
                ]
                assert before / 1.5 < pool(groups, BELIEVED).sigma < 1.5 * before


def test_a_disturbed_or_poisoned_idea_hardly_moves_sigma() -> None:
    before = pool([BASE], BELIEVED).sigma
    assert pool([BASE, Group(1, (1.4, 1.5))], BELIEVED).sigma < 1.2 * before
    # scores of a real campaign; pooled with equal weights they said 0.05
    assert pool([BASE, Group(1, (1.2583, 1.2617, 1.4324))], BELIEVED).sigma < 0.015


def test_no_number_of_poisoned_ideas_gets_sigma_through_the_ceiling() -> None:
    def wild(code: int, rng: Random) -> Group:
        return Group(code, (1.3, 1.4, 1.3 + rng.uniform(0.05, 0.1)))

    assert typical(wild) < 1.5
    spread = [BASE, *(honest(code, 3, Random(code), 4 * SIGMA) for code in range(1, 100))]
    assert pool(spread, BELIEVED).sigma < 3 * pool([BASE], BELIEVED).sigma


@pytest.mark.parametrize("own", [0.0, 0.01, 0.1, 0.3])
def test_no_number_of_agreeing_ideas_gets_sigma_through_the_floor(own: float) -> None:
    assert typical(lambda code, rng: honest(code, 3, rng, own * SIGMA)) > 0.5


def test_agreeing_repeats_among_honest_ones_do_not_count() -> None:
    sigma = typical(lambda code, rng: honest(code, 3, rng, SIGMA if code % 2 else 0.0))
    assert sigma == pytest.approx(1.0, abs=0.15)


def test_one_code_counts_for_a_few_degrees_of_freedom_only() -> None:
    often = [honest(1, 3, Random(seed)) for seed in range(50)]
    assert pool([BASE, *often], BELIEVED).dof <= 3 + 2 + CODE_DOF
    assert pool([honest(BASELINE, 3, Random(seed)) for seed in range(50)], BELIEVED).dof > 50


def test_a_drift_between_visits_is_no_noise() -> None:
    rng = Random(0)
    visits = [honest(BASELINE, 3, rng) for _ in range(30)]
    drifted = [
        Group(BASELINE, tuple(score - at * SIGMA for score in visit.scores))
        for at, visit in enumerate(visits)
    ]
    assert pool(drifted, BELIEVED).sigma == pytest.approx(pool(visits, BELIEVED).sigma)


@pytest.mark.parametrize(
    ("scores", "error"),
    [
        ((1.3,), SIGMA),
        ((1.3, 1.31, 1.305, 1.295), SIGMA / 2),
        ((1.3, 1.3), SIGMA),
        ((1.3, 1.3001, 1.3, 1.3001), SIGMA),
        ((1.3, 1.4), 0.05),
    ],
)
def test_runs_too_alike_or_different_have_larger_errors(
    scores: tuple[float, ...], error: float
) -> None:
    assert error_of_mean(scores, BELIEVED) == pytest.approx(error)


def test_runs_with_a_quarter_of_the_noise_count_each() -> None:
    for spread, counted in ((SIGMA / 4, 6), (SIGMA / 20, 1)):
        scores = tuple(1.3 + spread * (-1) ** place for place in range(6))
        assert error_of_mean(scores, BELIEVED) == pytest.approx(SIGMA / counted**0.5)


def test_groups_are_runs_made_together_without_an_ideas_first() -> None:
    nights = [
        repeated(experiment(0), 1.5, 1.52),
        repeated(experiment(1, verdict=Verdict.DISCARD), 1.4, 1.41, 1.42, reruns=(1.51, 1.49)),
        repeated(experiment(2), 1.3, 1.31, reruns=(1.53,)),
        repeated(experiment(3, verdict=Verdict.DISCARD), 1.2, 1.31, 1.3, reruns=(1.29, 1.3)),
    ]
    assert noise.groups_of(nights) == [
        Group(0, (1.5, 1.52)),
        Group(1, (1.41, 1.42)),
        Group(3, (1.31, 1.3)),
        Group(0, (1.51, 1.49)),
        Group(2, (1.29, 1.3)),
    ]


def test_the_prior_goes_with_the_score_and_the_device() -> None:
    cpu, gpu = noise.prior(1.2, accelerator=False), noise.prior(1.2, accelerator=True)
    assert cpu.sigma == pytest.approx(0.0054)
    assert gpu.sigma < cpu.sigma / 5


def test_reruns_belong_to_the_best_of_their_time() -> None:
    nights = [
        repeated(experiment(0), 1.5, 1.52),
        repeated(experiment(1), 1.4, reruns=(1.51,)),
        repeated(experiment(2, verdict=Verdict.DISCARD), 1.6, reruns=(1.41,)),
        repeated(experiment(3), 1.3, 1.31, reruns=(1.42,)),
        experiment(4, None, Verdict.CRASH),
        disturbed(5, 1.2, 1.9),
    ]
    assert scores_by_code(nights) == {
        0: (1.5, 1.52, 1.51),
        1: (1.4, 1.41, 1.42),
        2: (1.6,),
        3: (1.3, 1.31),
    }


def test_reruns_may_be_of_a_best_with_a_larger_number() -> None:
    late = replace(
        repeated(experiment(1), 1.6, reruns=(1.41,)),
        against=2,
        finished="2026-03-08T21:20:00+00:00",
    )
    nights = [repeated(experiment(0), 1.5), late, replace(repeated(experiment(2), 1.4), against=0)]
    assert scores_by_code(nights)[2] == (1.4, 1.41)


def test_the_latest_noise_is_that_of_the_last_to_finish() -> None:
    first, last = Noise(0.02, 4.0), Noise(0.01, 6.0)
    late = replace(experiment(1), noise=last, finished="2026-03-08T21:20:00+00:00")
    assert latest_noise([late, replace(experiment(2), noise=first)]) == last


def test_runs_from_before_the_machine_got_faster_do_not_count() -> None:
    slow = replace(experiment(0), runs=(run(300, value=1.4), run(310, value=1.41)))
    asked = replace(experiment(1, 1.6, Verdict.DISCARD), reruns=(run(600, value=1.2),))
    assert scores_by_code([slow, asked])[0] == (1.2,)


def test_another_run_falls_within_reach_19_times_of_20() -> None:
    many = Noise(0.01, 1e9)
    assert noise.reach(many, 10**9) == pytest.approx(0.0196, abs=1e-4)
    assert noise.reach(many, 1) == pytest.approx(0.0277, abs=1e-4)
    assert noise.reach(Noise(0.01, 4.0), 1) > 1.4 * noise.reach(many, 1)


def test_a_large_noise_is_told_without_powers_of_ten() -> None:
    assert "sigma 2924 on 2 degrees" in noise.describe(Noise(2924.0, 2.0))
    assert "less than 17792 apart" in noise.describe(Noise(2924.0, 2.0))


def test_estimates_are_means_of_all_runs_with_the_latest_noise() -> None:
    before, now = Noise(0.02, 4.0), Noise(0.01, 6.0)
    night = [
        repeated(experiment(0), 1.5, 1.6, noise=before),
        replace(experiment(1, None, Verdict.CRASH), runs=(run(value=1.2), run()), noise=before),
        repeated(experiment(2, 1.0, Verdict.DISCARD), 1.51, reruns=(1.4, 1.5), noise=now),
    ]
    known = estimates(night)
    assert list(known) == [0, 2]
    assert best_estimate(night) == known[0]
    assert (round(known[0].value, 9), known[0].scores) == (1.5, 4)
    assert (known[0].error, known[2].error) == (0.005, 0.01)
    assert str(known[0]) == "1.5000 ± 0.0050"
    assert str(estimates([experiment(0)])[0]) == "1.500000"  # before noise was measured
