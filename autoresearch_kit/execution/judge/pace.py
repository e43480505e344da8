"""The pace of a model that is scored: one that learns meanwhile is slow, and over its budget."""

from collections.abc import Sequence
from statistics import median

from autoresearch_kit.execution.judge.scoring import FREE_SECONDS, ScoreFailure
from autoresearch_kit.records import Reason

FREE_SHARE = 0.25
"""Share of the time of all answers that is allowed for slow ones, as on a busy machine."""

SLOW = 3.0
"""An answer is slow if it takes more than so many times a typical one."""


def check_pace(spent: float, answers: Sequence[float]) -> float:
    """Check the seconds that a model took for each answer of a pass over all rows.

    A model could train while it is scored, over its budget. `spent` of `FREE_SECONDS` were spent
    before, on loading or in an earlier pass. Return what is spent now. The first answer counts in
    full, for all that it learns there is of use in every answer; a later one counts if it is slow,
    and then against what was left and `FREE_SHARE`.

    Raises:
        ScoreFailure: it took more than it may.
    """
    typical = median(answers)
    spent += max(0.0, answers[0] - typical)
    if spent > FREE_SECONDS:
        raise ScoreFailure(
            Reason.OVER_BUDGET,
            f"the model took {spent:.1f} s to load and for what its first answer took longer than "
            f"the typical {typical:.2g} s; {FREE_SECONDS:g} s allowed: what it learns there is "
            f"over its budget",
        )
    slow = sum(answer - typical for answer in answers[1:] if answer > SLOW * typical)
    allowed = FREE_SECONDS - spent + FREE_SHARE * typical * len(answers)
    if slow > allowed:
        raise ScoreFailure(
            Reason.OVER_BUDGET,
            f"the model took {slow:.1f} s longer in slow answers than the typical {typical:.2g} s; "
            f"{allowed:.1f} s allowed: what it learns there is over its budget",
        )
    return spent
