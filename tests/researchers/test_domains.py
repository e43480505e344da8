import random

import pytest

from autoresearch_kit.notebook.constants import constant_specs
from autoresearch_kit.records import Constant
from autoresearch_kit.researchers.domains import Choice, Domain, Numbers, find_domains


def domain(line: str, baseline: Constant | None = None) -> Domain | None:
    ((name, spec),) = constant_specs(line).items()
    return find_domains({name: spec}, {} if baseline is None else {name: baseline}).get(name)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("A = 2.0", Numbers(0.25, 16.0, log=True, whole=False)),
        ("A = 0.04", Numbers(0.005, 0.32, log=True, whole=False)),
        ("A = 0.4", Numbers(0.05, 1.0, log=True, whole=False)),
        ("A = 0.8", Numbers(0.1, 0.975, log=False, whole=False)),
        ("A = 0.95", Numbers(0.6, 0.9938, log=False, whole=False)),
        ("A = 3", Numbers(1, 12, log=True, whole=True)),
        ("A = 192", Numbers(48, 768, log=True, whole=True, grid=48)),
        ("A = True", Choice((False, True))),
        ("A = 'x'", None),
        ("A = 0", None),
        ("A = 0.0", None),
        ("A = -1.5", None),
        ("A = 3  # a; fixed", None),
        ("A = 3  # a; one of 3", None),
        ("A = 3  # a; one of 2, 4", Choice((2, 4, 3))),
        ("A = 'x'  # a; one of x, y", Choice(("x", "y"))),
        ("A = 3  # a; 1..8", Numbers(1, 8, log=False, whole=True)),
        ("A = 9  # a; 1..8", Numbers(1, 9, log=False, whole=True)),
        ("A = 0.0  # a; 0.1..8 log", Numbers(0.0, 8.0, log=False, whole=False)),
        ("A = -1.5  # a; -2..0", Numbers(-2.0, 0.0, log=False, whole=False)),
    ],
)
def test_domains_come_from_the_comment_or_the_value(line: str, expected: Domain | None) -> None:
    assert domain(line) == expected


def test_a_derived_range_stays_the_baselines() -> None:
    assert domain("A = 0.1", 0.04) == domain("A = 0.04")


@pytest.mark.parametrize("value", [0.32, 0.4, 0.005, 0.001])
def test_a_derived_range_is_widened_at_its_edge(value: float) -> None:
    numbers = domain(f"A = {value}", 0.04)
    assert isinstance(numbers, Numbers)
    assert numbers.low < value < numbers.high
    assert numbers.low <= 0.005
    assert numbers.high >= 0.32


def test_a_constant_that_changed_its_type_or_scale_starts_anew() -> None:
    assert domain("A = 2", 0.5) == domain("A = 2")
    assert domain("A = 2.0", "x") == domain("A = 2.0")
    assert domain("A = 0.1", 0.0) == domain("A = 0.1")
    assert domain("A = 0.0", 0.1) is None


@pytest.mark.parametrize("line", ["A = 0.04", "A = 0.95", "A = 192", "A = 1", "A = 3  # a; 1..8"])
@pytest.mark.parametrize("direction", [1, -1, 0])
def test_a_step_stays_inside_and_moves(line: str, direction: int) -> None:
    numbers = domain(line)
    assert isinstance(numbers, Numbers)
    start = constant_specs(line)["A"].value
    for seed in range(50):
        moved = numbers.step(start, direction, random.Random(seed))
        assert moved != start
        assert numbers.low <= float(moved) <= numbers.high
        assert type(moved) is type(start)
        assert moved == numbers.nearest(moved)


def test_a_step_from_an_edge_goes_back_inside() -> None:
    whole = Numbers(1, 8, log=False, whole=True)
    for edge in (1, 8):
        assert all(whole.step(edge, way, random.Random(0)) != edge for way in (1, -1))


def test_a_step_goes_where_it_is_told() -> None:
    numbers = Numbers(0.005, 0.32, log=True, whole=False)
    assert all(float(numbers.step(0.04, 1, random.Random(seed))) > 0.04 for seed in range(20))
    assert all(float(numbers.step(0.04, -1, random.Random(seed))) < 0.04 for seed in range(20))


def test_proposed_floats_are_short() -> None:
    numbers = Numbers(0.1, 0.975, log=False, whole=False)
    drawn = [numbers.draw(random.Random(seed)) for seed in range(50)]
    assert max(len(repr(value)) for value in drawn) <= 6


def test_a_value_no_longer_offered_has_no_nearest() -> None:
    assert (Choice((1, 2)).nearest(3), Choice((1, 2)).nearest(2)) == (None, 2)
