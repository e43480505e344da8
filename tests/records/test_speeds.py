"""Steps and tokens/s beside a score: one mean where runs agree, each run where they don't."""

from dataclasses import replace

import pytest

from autoresearch_kit.records import Run, speed, speed_by_run, steps_apart
from tests.ledger.ledger import run


def runs(*steps: int) -> list[Run]:
    scored = (run(steps=count, value=1.0 + count / 1000) for count in steps)
    return [replace(one, train_seconds=60.0) for one in scored]


@pytest.mark.parametrize(
    ("steps", "apart"), [((600, 570), False), ((600, 569), True), ((), False), ((0, 0), False)]
)
def test_runs_are_apart_when_steps_differ_by_more_than_a_twentieth(
    steps: tuple[int, ...], apart: bool
) -> None:
    assert steps_apart(runs(*steps)) is apart


def test_runs_that_agree_are_told_as_their_mean() -> None:
    assert speed(runs(600, 610)) == speed_by_run(runs(600, 610)) == "605 steps, 20,651 tokens/s"


def test_runs_that_differ_are_told_one_by_one() -> None:
    assert speed(runs(601, 620, 314)) == "601, 620, 314 steps"
    assert speed_by_run(runs(601, 314)) == (
        "601, 314 steps (run by run: 1.601000 at 20,514 tokens/s; 1.314000 at 10,718 tokens/s)"
    )


def test_runs_that_made_no_step_are_not_told() -> None:
    assert speed([]) == speed_by_run(runs(0)) == ""
