"""Whether a run may be judged, or its machine was too busy with something else: pure functions.

Only what was seen from outside, and what the same code did before, can say so. Repeat such a run
with the same seed: its tokens are the notebook's own claim, and no notebook shall get another draw
of its luck by claiming few.
"""

from collections.abc import Sequence
from statistics import median
from typing import Protocol, TypeVar

from autoresearch_kit.records import Conditions, GpuConditions, Reason, Run, Settings

NEVER = 1.0
"""At this `max_elsewhere` every run is judged, whatever the machine did meanwhile."""

MARGIN = 0.15
"""By which more than the usual share may go elsewhere, on a machine that is never quiet."""

SLOW = 0.7
"""Of the usual tokens per second of the same code. Runs of equal cost on two cores that others used
now and then were all above 0.9 of their median; with a third fewer tokens it is another result."""

THROTTLED = 0.5
"""The share of the looks at which a GPU may have been slowed down."""

AGAIN = 2
"""How often a disturbed run is repeated."""

STALLS = (Reason.OVER_BUDGET, Reason.DEADLINE)
"""Failures that a busy machine can cause in code that is fine."""


class Seen(Protocol):
    """A run, and why it should be repeated: empty if it counts."""

    @property
    def run(self) -> Run:
        """As it was measured."""

    @property
    def disturbed(self) -> str:
        """What `why_invalid` said of it."""


S = TypeVar("S", bound=Seen)


def usual_elsewhere(runs: Sequence[Run]) -> float:
    """The share of the cores' time that went elsewhere in the middle one of these runs."""
    return median([one.conditions.elsewhere for one in runs if one.conditions] or [0.0])


def why_invalid(
    run: Run, same_code_runs: Sequence[Run], settings: Settings, usual: float = 0.0
) -> str:
    """Why the run should be repeated rather than judged, in words for people; empty if it counts.

    `same_code_runs` are earlier runs of the same code that counted; there may be none. `usual` is
    the share of the cores' time that went elsewhere in the campaign's runs: what all had to bear
    disturbs none. A failure counts, unless it is one of time and the machine was not the run's
    alone.
    """
    if settings.max_elsewhere >= NEVER:
        return ""
    allowed = max(settings.max_elsewhere, usual + MARGIN)
    if run.score is None:
        return _disturbed(run.conditions, allowed) if run.failure in STALLS else ""
    return _disturbed(run.conditions, allowed) or _slow(run, same_code_runs)


def once_more(tried: Sequence[Seen]) -> bool:
    """Whether to run a code (again) under the seed of these runs of it.

    A machine that was no quieter the second time stays as it is.
    """
    if not tried or not tried[-1].disturbed:
        return not tried
    quieter = len(tried) == 1 or _elsewhere(tried[-1]) < _elsewhere(tried[-2])
    return quieter and len(tried) <= AGAIN


def least_disturbed(tried: Sequence[S]) -> S:
    """The run that counts: undisturbed, else scored, else the machine least busy elsewhere."""
    return min(tried, key=lambda one: (bool(one.disturbed), one.run.score is None, _elsewhere(one)))


def _elsewhere(seen: Seen) -> float:
    return seen.run.conditions.elsewhere if seen.run.conditions else 1.0


def _disturbed(seen: Conditions | None, allowed: float) -> str:
    if seen is None:
        return ""
    if seen.elsewhere > allowed:
        busiest = f"; busiest: {seen.busiest}" if seen.busiest else ""
        return (
            f"{seen.elsewhere:.0%} of the cores' time went elsewhere while it trained, "
            f"{allowed:.0%} allowed{busiest}"
        )
    return next((why for why in map(_gpu, seen.gpus) if why), "")


def _gpu(gpu: GpuConditions) -> str:
    if gpu.others:
        processes = "process was" if gpu.others == 1 else "processes were"
        return f"{gpu.others} other {processes} computing on the {gpu.name}, none allowed"
    if gpu.throttled > THROTTLED:
        return (
            f"the {gpu.name} was slowed down {gpu.throttled:.0%} of the time, {THROTTLED:.0%} "
            f"allowed: {gpu.temperature_c:.0f} C at most, {gpu.clock_mhz:.0f} MHz of "
            f"{gpu.max_clock_mhz:.0f} on average"
        )
    return ""


def _slow(run: Run, same_code_runs: Sequence[Run]) -> str:
    usual = [one.tokens_per_second for one in same_code_runs if one.score]
    if not usual or run.tokens_per_second >= SLOW * median(usual):
        return ""
    return (
        f"{run.tokens_per_second:,.0f} tokens per second, where the same code had "
        f"{median(usual):,.0f}; at least {SLOW:.0%} of that is asked for"
    )
