"""Numbers with their errors, and speeds of runs: a mean where runs agree, else each run."""

import math
from dataclasses import replace

import pytest

from autoresearch_kit.records import Run, speed, speed_by_run, steps_apart
from autoresearch_kit.records.text import rounded, with_error
from tests.ledger.ledger import run


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (0.0012, "1.2346 ± 0.0012"),
        (0.00099, "1.23457 ± 0.00099"),
        (0.000999, "1.2346 ± 0.0010"),
        (14.0, "1 ± 14"),
        (1e-9, "1.234568 ± 0.000000"),
        (None, "1.234568"),
        (math.nan, "1.234568"),
    ],
)
def test_error_and_value_end_at_the_same_digit(error: float | None, shown: str) -> None:
    assert with_error(1.23456789, error) == shown
    assert rounded(1.23456789, error) == shown.partition(" ")[0]


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (0.0312, None, "0.031200"),
        (1234.5, None, "1234.500"),
        (4.2e-7, None, "4.200e-07"),
        (4.2e-7, 3.1e-9, "(4.200 ± 0.031)e-07"),
        (0.0, 1.2e-6, "(0.0 ± 1.2)e-06"),
        (0.00031234, 1.2e-6, "0.0003123 ± 0.0000012"),
        (1234.5, 12.0, "1234 ± 12"),
        (31_234_567.0, None, "31234567"),
        (2e18, None, "2.000e+18"),
        (2e18, 3e16, "(2.000 ± 0.030)e+18"),
        (-1e99, 1e97, "(-1.000 ± 0.010)e+99"),
        (0.25, 0.0, "0.250000"),
        (math.inf, 0.1, "inf"),
    ],
)
def test_numbers_of_any_size_can_be_read(value: float, error: float | None, shown: str) -> None:
    assert with_error(value, error) == shown


def test_a_change_has_its_sign() -> None:
    assert with_error(-0.0123, 0.0045, signed=True) == "-0.0123 ± 0.0045"
    assert with_error(0.0123, None, signed=True) == "+0.012300"


def runs(*steps: int) -> list[Run]:
    scored = (run(steps=count, value=1.0 + count / 1000) for count in steps)
    return [replace(each, train_seconds=60.0) for each in scored]


@pytest.mark.parametrize(
    ("steps", "apart"), [((600, 570), False), ((600, 569), True), ((), False), ((0, 0), False)]
)
def test_steps_are_apart_by_more_than_a_twentieth(steps: tuple[int, ...], apart: bool) -> None:
    assert steps_apart(runs(*steps)) is apart


def test_runs_that_agree_are_told_as_their_mean() -> None:
    assert speed(runs(600, 610)) == speed_by_run(runs(600, 610)) == "605 steps, 20,651 tokens/s"
    assert speed([]) == speed_by_run(runs(0)) == ""


def test_runs_that_differ_are_told_one_by_one() -> None:
    assert speed(runs(601, 620, 314)) == "601 / 620 / 314 steps"
    assert speed_by_run(runs(601, 314)) == (
        "601 / 314 steps (run by run: 1.601000 at 20,514 tokens/s; 1.314000 at 10,718 tokens/s)"
    )
