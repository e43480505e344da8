"""The noise, from what was run more than once."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from autoresearch_kit.records import Experiment, Noise, SandboxLevel, Score, Verdict
from autoresearch_kit.verdicts import noise
from autoresearch_kit.verdicts.noise import BASELINE, Group
from tests.ledger.ledger import disturbed, experiment, run

SIGMA = 0.01
BELIEVED = Noise(SIGMA, 3.0)
BASE = Group(BASELINE, (1.37, 1.38, 1.362))


def scored(one: Experiment, *scores: float, reruns: tuple[float, ...] = ()) -> Experiment:
    made = [
        replace(run(), score=Score("val_bpb", value, 1.0, 1, 1, 0.0, 1.0))
        for value in (*scores, *reruns)
    ]
    return replace(one, runs=tuple(made[: len(scores)]), reruns=tuple(made[len(scores) :]))


def honest(code: int, count: int, rng: Random, sigma: float = SIGMA) -> Group:
    return Group(code, tuple(1.3 + rng.gauss(0, sigma) for _ in range(count)))


def night(make: Callable[[int, Random], Group], seed: int) -> list[Group]:
    """An honest baseline, and 30 codes made so."""
    rng = Random(seed)
    return [honest(BASELINE, 3, rng), *(make(code, rng) for code in range(1, 31))]


def typical(make: Callable[[int, Random], Group]) -> float:
    """The median over nights of sigma, in true sigmas."""
    found = sorted(noise.pool(night(make, seed), BELIEVED).sigma for seed in range(9))
    return found[4] / SIGMA


def test_without_repeats_it_is_what_was_believed() -> None:
    assert noise.pool([Group(0, (1.2,)), Group(1, (1.3,))], BELIEVED) == BELIEVED


def test_honest_repeats_find_the_true_sigma() -> None:
    assert typical(lambda code, rng: honest(code, 3, rng)) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("wrong", [0.33, 3.0])
def test_a_wrong_prior_is_corrected_by_repeats(wrong: float) -> None:
    nights = [night(lambda code, rng: honest(code, 3, rng), seed) for seed in range(9)]
    found = sorted(noise.pool(one, Noise(wrong * SIGMA, 3.0)).sigma for one in nights)
    assert 0.75 * SIGMA < found[4] < 1.6 * SIGMA


@pytest.mark.parametrize("far", [0.03, 0.05, 0.1, 1.0, 100.0])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_outlier_moves_sigma_by_at_most_a_half(far: float, place: int) -> None:
    idea = Group(1, (1.2583, 1.2617, 1.2713))
    others = [idea, Group(2, (1.33, 1.345))]
    for known in ([BASE], [BASE, *others]):
        before = noise.pool(known, BELIEVED).sigma
        for struck in known:
            if place < len(struck.scores):
                scores = list(struck.scores)
                scores[place] += far
                groups = [
                    replace(one, scores=tuple(scores)) if one is struck else one for one in known
                ]
                assert before / 1.5 < noise.pool(groups, BELIEVED).sigma < 1.5 * before


def test_the_night_that_one_busy_minute_spoilt() -> None:
    """Scores of a real campaign; pooled with equal weights they said 0.05."""
    groups = [BASE, Group(1, (1.2583, 1.2617, 1.4324))]
    assert noise.pool(groups, BELIEVED).sigma < 0.015


def test_one_poisoned_idea_hardly_moves_sigma() -> None:
    before = noise.pool([BASE], BELIEVED).sigma
    assert noise.pool([BASE, Group(1, (1.4, 1.5))], BELIEVED).sigma < 1.2 * before


def test_no_number_of_poisoned_ideas_gets_sigma_through_the_ceiling() -> None:
    def wild(code: int, rng: Random) -> Group:
        return Group(code, (1.3, 1.4, 1.3 + rng.uniform(0.05, 0.1)))

    assert typical(wild) < 1.5
    spread = [BASE, *(honest(code, 3, Random(code), 4 * SIGMA) for code in range(1, 100))]
    assert noise.pool(spread, BELIEVED).sigma < 3 * noise.pool([BASE], BELIEVED).sigma


@pytest.mark.parametrize("own", [0.0, 0.01, 0.1, 0.3])
def test_no_number_of_agreeing_ideas_gets_sigma_through_the_floor(own: float) -> None:
    assert typical(lambda code, rng: honest(code, 3, rng, own * SIGMA)) > 0.5


def test_agreeing_repeats_among_honest_ones_do_not_count() -> None:
    def half(code: int, rng: Random) -> Group:
        return honest(code, 3, rng, SIGMA if code % 2 else 0.0)

    assert typical(half) == pytest.approx(1.0, abs=0.15)


def test_a_baseline_without_any_spread_leaves_what_was_believed() -> None:
    assert noise.pool([Group(BASELINE, (1.3,) * 3)], BELIEVED) == BELIEVED


def test_one_code_counts_for_a_few_degrees_of_freedom_only() -> None:
    often = [honest(1, 3, Random(seed)) for seed in range(50)]
    assert noise.pool([BASE, *often], BELIEVED).dof <= 3 + 2 + noise.CODE_DOF
    assert noise.pool([honest(BASELINE, 3, Random(seed)) for seed in range(50)], BELIEVED).dof > 50


def test_a_drift_between_visits_is_no_noise() -> None:
    rng = Random(0)
    visits = [honest(BASELINE, 3, rng) for _ in range(30)]
    drifted = [
        Group(BASELINE, tuple(score - at * SIGMA for score in one.scores))
        for at, one in enumerate(visits)
    ]
    assert noise.pool(drifted, BELIEVED).sigma == pytest.approx(noise.pool(visits, BELIEVED).sigma)


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
def test_runs_that_agree_or_differ_too_much_have_a_larger_error(
    scores: tuple[float, ...], error: float
) -> None:
    assert noise.error_of_mean(scores, BELIEVED, 0.005) == pytest.approx(error)


def test_groups_are_runs_made_together_without_an_ideas_first() -> None:
    nights = [
        scored(experiment(0), 1.5, 1.52),
        scored(experiment(1, verdict=Verdict.DISCARD), 1.4, 1.41, 1.42, reruns=(1.51, 1.49)),
        scored(experiment(2), 1.3, 1.31, reruns=(1.53,)),
        scored(experiment(3, verdict=Verdict.DISCARD), 1.2, 1.31, 1.3, reruns=(1.29, 1.3)),
    ]
    assert noise.groups_of(nights) == [
        Group(0, (1.5, 1.52)),
        Group(1, (1.41, 1.42)),
        Group(0, (1.51, 1.49)),
        Group(3, (1.31, 1.3)),
        Group(2, (1.29, 1.3)),
    ]


def test_what_is_believed_goes_with_the_score_and_the_device() -> None:
    cpu, gpu = noise.prior(1.2, accelerator=False), noise.prior(1.2, accelerator=True)
    assert cpu.sigma == pytest.approx(0.0054)
    assert gpu.sigma < cpu.sigma / 5


def test_an_error_shrinks_with_the_number_of_scores() -> None:
    assert Noise(0.01, 5).error(4) == 0.005


def test_reruns_belong_to_the_best_of_their_time() -> None:
    nights = [
        scored(experiment(0), 1.5, 1.52),
        scored(experiment(1), 1.4, reruns=(1.51,)),
        scored(experiment(2, verdict=Verdict.DISCARD), 1.6, reruns=(1.41,)),
        scored(experiment(3), 1.3, 1.31, reruns=(1.42,)),
    ]
    assert noise.scores_by_code(nights) == {
        0: (1.5, 1.52, 1.51),
        1: (1.4, 1.41, 1.42),
        2: (1.6,),
        3: (1.3, 1.31),
    }


def test_runs_from_before_the_machine_got_faster_are_not_mixed_with_those_of_now() -> None:
    slow = replace(experiment(0), runs=(run(300, value=1.4), run(310, value=1.41)))
    asked = replace(experiment(1, 1.6, Verdict.DISCARD), reruns=(run(600, value=1.2),))
    assert noise.scores_by_code([slow, asked])[0] == (1.2,)


def test_what_was_disturbed_says_nothing_of_the_noise() -> None:
    assert noise.scores_by_code([experiment(0), disturbed(1, 1.2, 1.9)]) == {0: (1.5,)}


def test_what_has_no_score_has_no_code_here() -> None:
    crashed = experiment(1, None, Verdict.CRASH)
    assert crashed.runs[0].sandbox is SandboxLevel.NONE
    assert noise.scores_by_code([scored(experiment(0), 1.5), crashed]) == {0: (1.5,)}


def test_one_more_run_falls_within_reach_19_times_of_20() -> None:
    many = Noise(0.01, 1e9)
    assert noise.reach(many, 10**9) == pytest.approx(0.0196, abs=1e-4)
    assert noise.reach(many, 1) == pytest.approx(0.0277, abs=1e-4)
    assert noise.reach(Noise(0.01, 4.0), 1) > 1.4 * noise.reach(many, 1)
