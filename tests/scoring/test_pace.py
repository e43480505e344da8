import pytest

from autoresearch_kit.execution.grading import ScoreFailure
from autoresearch_kit.execution.pace import check_pace
from autoresearch_kit.records import Reason


@pytest.mark.parametrize(
    ("loading", "answers"),
    [
        (0.1, [0.2] * 16),
        (4.0, [3.0, *[0.2] * 15]),
        (0.1, [20.0] * 16),
        (0.1, [30.0]),
        (0.1, [10.0, 8.0, 2.0, 1.0] * 100),
    ],
    ids=["quick", "slow to start", "slow", "one answer", "uneven"],
)
def test_a_model_that_only_answers_is_in_time(loading: float, answers: list[float]) -> None:
    check_pace(loading, answers)


@pytest.mark.parametrize(
    ("loading", "answers"),
    [
        (12.0, [0.2] * 16),
        (0.1, [12.0, *[0.2] * 15]),
        (0.1, [0.2, 6.0, 6.0, *[0.2] * 15]),
    ],
    ids=["when loaded", "at first", "later"],
)
def test_a_model_that_trains_meanwhile_is_not(loading: float, answers: list[float]) -> None:
    with pytest.raises(ScoreFailure, match="over its budget") as caught:
        check_pace(loading, answers)
    assert caught.value.reason is Reason.OVER_BUDGET
