"""How long a model may take to get going: one that trains as it is loaded is over its budget."""

from collections.abc import Sequence
from statistics import median

from autoresearch_kit.execution.grading import ScoreFailure
from autoresearch_kit.records import Reason

FREE_SECONDS = 10.0
"""For reading and moving the model, and for whatever is made at the first use of a device."""

FREE_SHARE = 0.25
"""Of the time of all answers: on a busy machine, some take longer than others."""

SLOW = 3.0
"""An answer that takes so many times a typical one did something else besides."""


def check_pace(loading: float, answers: Sequence[float]) -> None:
    """Look at the seconds that loading and each answer of the scored model took.

    Raises:
        ScoreFailure: loading, and what some answers took longer than others, is more than allowed.
    """
    typical = median(answers)
    extra = loading + sum(answer - typical for answer in answers if answer > SLOW * typical)
    allowed = FREE_SECONDS + FREE_SHARE * typical * len(answers)
    if extra > allowed:
        raise ScoreFailure(
            Reason.OVER_BUDGET,
            f"the model took {extra:.1f} s to load and in answers slower than the typical "
            f"{typical:.2g} s; {allowed:.1f} s allowed: what it learns there is over its budget",
        )
