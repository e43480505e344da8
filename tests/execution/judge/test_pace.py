import pytest

from autoresearch_kit.execution.judge.grading import ScoreFailure
from autoresearch_kit.execution.judge.pace import check_pace
from autoresearch_kit.records import Reason


@pytest.mark.parametrize(
    ("loading", "answers"),
    [
        (0.1, [0.2] * 16),
        (4.0, [3.0, *[0.2] * 15]),
        (0.1, [20.0] * 16),
        (9.0, [20.0] * 16),
        (0.1, [30.0]),
        (0.1, [0.2, 6.0, *[0.2] * 15]),
        (0.1, [10.0, 8.0, 2.0, 1.0] * 100),
        (9.0, [6.0] * 8 + [20.0] * 2 + [6.0] * 8),
    ],
    ids=[
        "quick",
        "slow to start",
        "slow",
        "slow to load",
        "one answer",
        "a hiccup",
        "uneven",
        "a busy time",
    ],
)
def test_a_model_that_only_answers_is_in_time(loading: float, answers: list[float]) -> None:
    assert check_pace(loading, answers) == pytest.approx(
        loading + answers[0] - sorted(answers)[len(answers) // 2], abs=5
    )


@pytest.mark.parametrize(
    ("loading", "answers"),
    [
        (12.0, [0.2] * 16),
        (17.0, [2.0] * 16),
        (12.0, [18.0] * 16),
        (6.0, [6.0, *[0.2] * 15]),
        (0.1, [12.0, *[0.2] * 15]),
        (0.1, [0.2, 6.0, 6.0, *[0.2] * 15]),
        (9.0, [2.0, *[7.0] * 3, *[2.0] * 16]),
        (0.1, [15.0 + 11.0, *[15.0] * 15]),
    ],
    ids=[
        "when loaded",
        "when loaded, and slow",
        "when loaded, and very slow",
        "when loaded and at first",
        "at first",
        "later",
        "when loaded and later",
        "at first, and slow",
    ],
)
def test_a_model_that_trains_meanwhile_is_not(loading: float, answers: list[float]) -> None:
    with pytest.raises(ScoreFailure, match="over its budget") as caught:
        check_pace(loading, answers)
    assert caught.value.reason is Reason.OVER_BUDGET


def test_seconds_spent_in_one_pass_are_not_there_for_the_next() -> None:
    spent = check_pace(0.1, [8.0, *[0.2] * 15])
    with pytest.raises(ScoreFailure, match="over its budget"):
        check_pace(spent, [5.0, *[0.4] * 15])
