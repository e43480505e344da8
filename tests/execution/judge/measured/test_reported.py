"""Test which metrics a measurement may report."""

import math
from collections.abc import Mapping

import pytest

from autoresearch_kit.execution.judge.reported import Reported
from autoresearch_kit.execution.judge.scoring import ScoreFailure
from autoresearch_kit.records import Metric, Reason, Task

TASK = Task(
    "t", (Metric("error", zero_is_floor=True), Metric("gain"), Metric("odd_se")), ("error",)
)


def test_each_metric_and_standard_error_is_kept() -> None:
    reported = Reported(TASK)
    reported.add({"error": 0.5, "error_se": 0.1})
    reported.add({"gain": -3.0, "odd_se": -1.0})
    reported.check_complete()
    assert reported.values == {"error": 0.5, "gain": -3.0, "odd_se": -1.0}
    assert reported.errors == {"error": 0.1}


def test_metrics_and_their_standard_errors_are_taken() -> None:
    names = ["error", "error_se", "odd_se", "seconds", "seconds_se", "odd"]
    assert list(filter(Reported(TASK).takes, names)) == ["error", "error_se", "odd_se"]


def test_python_may_write_microseconds_in_greek() -> None:
    reported = Reported(Task("t", (Metric("\u00b5s"),), ("\u00b5s",)))
    reported.add({"\u03bcs": 3.0, "\u00b5s_se": 1.0})
    reported.check_complete()
    assert (reported.values, reported.errors) == ({"\u00b5s": 3.0}, {"\u00b5s": 1.0})


FAULTS = {
    "unknown": ({"eror": 1.0}, Reason.NOT_MEASURED, "eror was reported, but task.toml has error"),
    "the kit's": ({"parameters": 1.0}, Reason.NOT_MEASURED, "is measured by the kit; leave it out"),
    "below zero": ({"error": -1.0}, Reason.NOT_MEASURED, "task.toml says zero_is_floor"),
    "not a number": ({"gain": math.nan}, Reason.NOT_FINITE, "gain was reported as nan"),
    "infinite": ({"gain": -math.inf}, Reason.NOT_FINITE, "gain was reported as -inf"),
    "too large to be squared": ({"gain": 1e101}, Reason.NOT_FINITE, "gain was reported as 1e"),
    "an error that large": ({"gain_se": 1e101}, Reason.NOT_MEASURED, "the standard error of gain"),
    "an error below zero": ({"gain_se": -1.0}, Reason.NOT_MEASURED, "the standard error of gain"),
    "no error at all": ({"gain_se": math.nan}, Reason.NOT_MEASURED, "the standard error of gain"),
}


@pytest.mark.parametrize(("values", "reason", "words"), FAULTS.values(), ids=FAULTS)
def test_what_is_no_metric_is_refused(
    values: Mapping[str, float], reason: Reason, words: str
) -> None:
    with pytest.raises(ScoreFailure, match=words) as caught:
        Reported(TASK).add(values)
    assert caught.value.reason is reason


@pytest.mark.parametrize("name", ["gain", "gain_se"])
def test_a_metric_reported_twice_is_refused(name: str) -> None:
    reported = Reported(TASK)
    reported.add({name: 1.0})
    with pytest.raises(ScoreFailure, match="gain was reported twice"):
        reported.add({name: 1.0})


def test_a_metric_never_reported_is_named() -> None:
    reported = Reported(TASK)
    reported.add({"error": 1.0, "odd_se": 0.0})
    with pytest.raises(ScoreFailure, match="not measured: gain was never reported"):
        reported.check_complete()
