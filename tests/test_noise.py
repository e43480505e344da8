"""The noise, from what was run more than once."""

from dataclasses import replace

import pytest

from autoresearch_kit import noise
from autoresearch_kit.records import Experiment, Noise, SandboxLevel, Score, Verdict
from tests.history.ledger import disturbed, experiment, run

BELIEVED = Noise(0.01, 2.0)


def scored(one: Experiment, *scores: float, reruns: tuple[float, ...] = ()) -> Experiment:
    made = [
        replace(run(), score=Score("val_bpb", value, 1.0, 1, 1, 0.0, 1.0))
        for value in (*scores, *reruns)
    ]
    return replace(one, runs=tuple(made[: len(scores)]), reruns=tuple(made[len(scores) :]))


def test_without_repeats_it_is_what_was_believed() -> None:
    assert noise.pool([(1.2,), (1.3,)], BELIEVED) == BELIEVED


def test_repeats_are_pooled_about_their_own_means() -> None:
    pooled = noise.pool([(1.0, 1.2), (3.0, 3.2)], Noise(0.1, 2.0))
    assert pooled.dof == 4
    assert pooled.sigma == pytest.approx(0.1225, abs=1e-4)  # sqrt((0.02 + 0.02 + 0.02) / 4)


def test_many_repeats_outweigh_the_prior() -> None:
    assert noise.pool([(1.0, 1.1) * 100], BELIEVED).sigma == pytest.approx(0.05, abs=0.001)


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
