"""Test how much time a model may take to load and to answer, beyond a typical answer's."""

from statistics import median

import pytest

from autoresearch_kit.execution.judge.pace import check_pace
from autoresearch_kit.execution.judge.scoring import ScoreFailure
from autoresearch_kit.records import Reason

IN_TIME = {
    "quick": (0.1, [0.2] * 16),
    "slow to start": (4.0, [3.0, *[0.2] * 15]),
    "slow": (0.1, [20.0] * 16),
    "slow to load": (9.0, [20.0] * 16),
    "one answer": (0.1, [30.0]),
    "a hiccup": (0.1, [0.2, 6.0, *[0.2] * 15]),
    "uneven": (0.1, [10.0, 8.0, 2.0, 1.0] * 100),
    "a busy time": (9.0, [6.0] * 8 + [20.0] * 2 + [6.0] * 8),
}


@pytest.mark.parametrize(("loading", "answers"), IN_TIME.values(), ids=IN_TIME)
def test_a_model_that_only_answers_is_in_time(loading: float, answers: list[float]) -> None:
    first = max(0.0, answers[0] - median(answers))
    assert check_pace(loading, answers) == pytest.approx(loading + first)


TOO_LATE = {
    "when loaded": (12.0, [0.2] * 16),
    "when loaded, and slow": (17.0, [2.0] * 16),
    "when loaded, and very slow": (12.0, [18.0] * 16),
    "when loaded and at first": (6.0, [6.0, *[0.2] * 15]),
    "at first": (0.1, [12.0, *[0.2] * 15]),
    "later": (0.1, [0.2, 6.0, 6.0, *[0.2] * 15]),
    "when loaded and later": (9.0, [2.0, *[7.0] * 3, *[2.0] * 16]),
    "at first, and slow": (0.1, [15.0 + 11.0, *[15.0] * 15]),
}


@pytest.mark.parametrize(("loading", "answers"), TOO_LATE.values(), ids=TOO_LATE)
def test_a_model_that_trains_while_scored_is_refused(loading: float, answers: list[float]) -> None:
    with pytest.raises(ScoreFailure, match="over its budget") as caught:
        check_pace(loading, answers)
    assert caught.value.reason is Reason.OVER_BUDGET


def test_seconds_spent_in_a_pass_shorten_the_next() -> None:
    spent = check_pace(0.1, [8.0, *[0.2] * 15])
    with pytest.raises(ScoreFailure, match="over its budget"):
        check_pace(spent, [5.0, *[0.4] * 15])
