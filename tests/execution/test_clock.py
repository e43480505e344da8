import pytest

from autoresearch_kit.execution.clock import BudgetClock


class Time:
    """A time that moves when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def clock_after(laps: list[float], *, allowance: float = 1000.0) -> BudgetClock:
    time = Time()
    clock = BudgetClock(lambda: allowance, now=time)
    clock.start_steps()
    for lap in laps:
        time.now += lap
        clock.lap()
    return clock


def test_nothing_is_excluded_where_nothing_compiles() -> None:
    laps = [1.3, 0.9, 1.0, 1.2, 0.8, 1.1, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert clock_after(laps).seconds == pytest.approx(sum(laps))


def test_slow_first_steps_count_as_typical_ones() -> None:
    assert clock_after([30.0, 12.0, *[1.0] * 20]).seconds == pytest.approx(22.0)


def test_the_allowance_caps_what_is_excluded() -> None:
    assert clock_after([30.0, *[1.0] * 20], allowance=10.0).seconds == pytest.approx(40.0)


def test_a_budget_is_not_spent_by_the_steps_that_compile() -> None:
    assert clock_after([70.0]).seconds == 0.0


def test_a_slow_step_after_the_first_ten_counts() -> None:
    assert clock_after([*[1.0] * 10, 30.0]).seconds == pytest.approx(40.0)


def test_time_before_the_loop_counts() -> None:
    time = Time()
    clock = BudgetClock(lambda: 1000.0, now=time)
    time.now += 5.0
    clock.start_steps()
    time.now += 30.0
    assert clock.seconds == pytest.approx(5.0)


def test_what_the_kit_spent_is_excluded() -> None:
    time = Time()
    clock = BudgetClock(lambda: 1000.0, now=time)
    time.now += 5.0
    clock.exclude(2.0)
    assert clock.seconds == pytest.approx(3.0)


def test_a_typical_step_is_known_once_it_is_clear_which_compiled() -> None:
    assert clock_after([30.0, 1.0]).step_seconds == 0.0
    assert clock_after([30.0, *[1.0] * 10]).step_seconds == pytest.approx(1.0)
