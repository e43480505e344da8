from dataclasses import replace

import pytest

from autoresearch_kit.records import Noise, Verdict, latest_noise
from autoresearch_kit.verdicts.estimates import best_estimate, estimates
from tests.ledger.ledger import experiment, repeated, run

BEFORE, BY_NOW = Noise(0.02, 4.0), Noise(0.01, 6.0)
NIGHT = [
    repeated(experiment(0), 1.5, 1.6, noise=BEFORE),
    replace(experiment(1, None, Verdict.CRASH), noise=BEFORE),
    repeated(experiment(2, 1.0, Verdict.DISCARD), 1.51, reruns=(1.4, 1.5), noise=BY_NOW),
]


def test_the_best_is_known_by_its_reruns_too() -> None:
    best = best_estimate(NIGHT)
    assert best is not None
    assert best.value == pytest.approx(1.5)
    assert best.scores == 4


def test_errors_are_by_the_latest_noise() -> None:
    known = estimates(NIGHT)
    assert (known[0].error, known[2].error) == (0.005, 0.01)
    assert str(known[0]) == "1.5000 ± 0.0050"


def test_a_crash_has_no_estimate() -> None:
    assert list(estimates(NIGHT)) == [0, 2]


def test_nor_has_one_whose_first_run_had_a_score() -> None:
    crash = experiment(3, None, Verdict.CRASH)
    crash = replace(crash, runs=(run(value=1.2), run()), noise=BY_NOW)
    assert list(estimates([*NIGHT, crash])) == [0, 2]
    assert crash.error is None


def test_a_campaign_from_before_noise_was_measured_has_no_errors() -> None:
    old = [experiment(0)]
    assert latest_noise(old) is None
    assert str(estimates(old)[0]) == "1.500000"
