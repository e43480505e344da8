import math

import pytest

from autoresearch_kit.records.digits import rounded, with_error


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (0.0012, "1.2346 ± 0.0012"),
        (0.00099, "1.23457 ± 0.00099"),
        (0.000999, "1.2346 ± 0.0010"),
        (0.12, "1.23 ± 0.12"),
        (14.0, "1 ± 14"),
        (1e-9, "1.234568 ± 0.000000"),
    ],
)
def test_the_error_has_two_digits_and_the_value_ends_with_it(error: float, shown: str) -> None:
    assert with_error(1.23456789, error) == shown


@pytest.mark.parametrize("error", [None, math.nan])
def test_a_score_without_an_error_has_six_decimals(error: float | None) -> None:
    assert with_error(1.5, error) == "1.500000"


def test_a_change_has_its_sign() -> None:
    assert with_error(-0.0123, 0.0045, signed=True) == "-0.0123 ± 0.0045"
    assert with_error(0.0123, None, signed=True) == "+0.012300"


def test_where_there_is_no_room_the_digits_still_end_at_the_error() -> None:
    assert rounded(0.01234, 0.0045, signed=True) == "+0.0123"
