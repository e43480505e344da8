"""Where the wall-clock went."""

from dataclasses import replace

import pytest

from autoresearch_kit.records import Experiment
from autoresearch_kit.reports.spent import spent
from tests.ledger.ledger import experiment, run

DAY = "2026-11-21T"


def lasting(number: int, began: str, ended: str, seconds: float = 300.0) -> Experiment:
    """An experiment with one run, of so many seconds of training and ten for the rest."""
    ran = replace(
        run(),
        train_seconds=seconds,
        compile_seconds=0.0,
        wall_seconds=seconds + 10,
        parts={"score": 10.0},
    )
    return replace(experiment(number), runs=(ran,), started=DAY + began, finished=DAY + ended)


def test_time_between_runs_is_a_part() -> None:
    found = spent([lasting(0, "10:00:00+00:00", "10:05:30+00:00")])
    assert found.parts == {"training": 300.0, "between runs": 20.0, "score": 10.0}
    assert str(found) == "90.9% of the wall-clock was training; between runs 6.1%, score 3.0%"


def test_recording_in_git_counts_and_a_pause_does_not() -> None:
    found = spent(
        [
            lasting(0, "10:00:00+00:00", "10:05:10+00:00"),
            lasting(1, "10:05:12+00:00", "10:10:22+00:00"),
            lasting(2, "12:00:00+00:00", "12:05:10+00:00"),
        ]
    )
    assert found.parts["between runs"] == 2.0


def test_a_run_that_failed_early_took_time_too() -> None:
    early = replace(run(), train_seconds=0.0, compile_seconds=0.0, wall_seconds=40.0, parts={})
    one = replace(lasting(0, "10:00:00+00:00", "10:05:50+00:00"), set_aside=(early,))
    assert spent([one]).parts["other"] == 40.0


def test_a_clock_that_was_set_back_takes_nothing_away() -> None:
    found = spent([lasting(0, "10:00:00+00:00", "09:00:00+00:00")])
    assert found.training_share == pytest.approx(300 / 310)


def test_where_nothing_ran_it_says_so() -> None:
    assert str(spent([])) == "nothing ran"
