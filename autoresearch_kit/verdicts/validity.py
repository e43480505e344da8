"""Validity of runs: whether a run may be judged, or the machine disturbed it. Pure functions.

A run is disturbed by what was seen of the machine from outside while it trained, or by making fewer
steps than other runs of the same code. It is repeated with the same seed: steps are the notebook's
own claim, and no notebook shall get another draw of its luck by claiming few.
"""

from collections.abc import Iterable, Sequence
from statistics import median

from autoresearch_kit.records import Clock, Conditions, GpuConditions, Reason, Run, Settings

ALL_ELSEWHERE = 1.0
"""The `max_elsewhere` at which every run is judged, whatever the machine did meanwhile."""

MARGIN = 0.15
"""The share above the usual one that may go elsewhere, on a machine that is never quiet."""

MOST_USUAL = 0.5
"""The largest share that is taken to be usual: a run that gets less than half of a machine depends
on its neighbours more than on its code."""

SHARED_ELSEWHERE = 0.6
"""The share that may always go elsewhere by the CPU clock, and `MARGIN` more. That clock counts a
run that gets less than a sixth of the machine as if it got a sixth."""

AS_FAST = 0.8
"""The share of the same code's steps, or tokens, below which a run is disturbed. Runs of the same
code on two cores, beside neighbours that came and went, were all above 0.9."""

THROTTLED = 0.5
"""The share of the looks at which a GPU may have been slowed down."""

TIME_FAILURES = (Reason.OVER_BUDGET, Reason.DEADLINE)
"""Failures that a busy machine can cause in code that is fine."""


def usual_elsewhere(baseline: Sequence[Run]) -> float:
    """Return the median share of the cores' time that went elsewhere while the baseline trained.

    A share that every run had to bear disturbs none. Later runs don't change it: a machine that
    gets busier and busier would otherwise become the usual one.
    """
    shares = [each.conditions.elsewhere for each in baseline if each.conditions]
    return min(median(shares or [0.0]), MOST_USUAL)


def never_quiet(tried: Sequence[Run], settings: Settings) -> float:
    """Return the share of the cores' time that always goes elsewhere, or 0 if none does.

    `tried` are all tries of a campaign's first run. Where all were disturbed, waiting for a quiet
    machine did not help, and it was about as busy each time, that is this machine's usual state, up
    to `MOST_USUAL`.
    """
    shares = [each.conditions.elsewhere if each.conditions else 0.0 for each in tried]
    busy = min(shares) > settings.max_elsewhere and max(shares) <= MOST_USUAL
    return median(shares) if busy and max(shares) - min(shares) <= MARGIN else 0.0


def why_invalid(
    run: Run, same_code_runs: Sequence[Run], settings: Settings, usual: float = 0.0
) -> str:
    """Return why the run should be repeated rather than judged, for people; empty if it counts.

    `same_code_runs` are other runs of the same code that count; there may be none. `usual` is the
    share of the cores' time that went elsewhere while the baseline trained. A failure counts,
    unless it is one of time and the machine was not the run's alone.
    """
    return why_disturbed(run, settings, usual) or why_slow(run, same_code_runs, settings)


def why_disturbed(run: Run, settings: Settings, usual: float = 0.0) -> str:
    """Return the part of `why_invalid` that was seen from outside, which no notebook can change.

    By the CPU clock neighbours make a run longer and no worse, unless they take nearly all.
    """
    if run.score is None and run.failure not in TIME_FAILURES:
        return ""
    if run.score and run.clock is Clock.CPU:
        usual = max(usual, SHARED_ELSEWHERE)
    return why_busy(run.conditions, settings, usual)


def why_busy(
    seen: Conditions | None, settings: Settings, usual: float = 0.0, when: str = "while it trained"
) -> str:
    """Return why a run under these conditions, seen at this time, does not count.

    Empty if it does.
    """
    if seen is None or settings.max_elsewhere >= ALL_ELSEWHERE:
        return ""
    allowed = max(settings.max_elsewhere, usual + MARGIN)
    if seen.elsewhere > allowed:
        busiest = f"; busiest: {seen.busiest}" if seen.busiest else ""
        return (
            f"{seen.elsewhere:.0%} of the cores' time went elsewhere {when}, "
            f"{allowed:.0%} allowed{busiest}"
        )
    return next((why for why in map(_gpu, seen.gpus) if why), "")


def why_slow(run: Run, same_code_runs: Iterable[Run], settings: Settings) -> str:
    """Return the part of `why_invalid` that the steps of other runs of the same code show.

    Code that counts no steps, or no tokens, is not asked for any.
    """
    if settings.max_elsewhere >= ALL_ELSEWHERE or run.score is None:
        return ""
    others = [each for each in same_code_runs if each.score]
    if not others or min(_shares(run, others)) >= AS_FAST:
        return ""
    steps, tokens = median(each.steps for each in others), median(each.tokens for each in others)
    if not tokens:
        return (
            f"{run.steps:,} steps, where the same code made {steps:,.0f}; at least {AS_FAST:.0%} "
            "of them is asked for"
        )
    return (
        f"{run.steps:,} steps on {run.tokens:,} tokens, where the same code made {steps:,.0f} on "
        f"{tokens:,.0f}; at least {AS_FAST:.0%} of both is asked for"
    )


def as_fast(runs: Iterable[Run], now: Sequence[Run]) -> list[Run]:
    """Return those of `runs` that made about as many steps as the same code makes now.

    All, if there are no runs of now. A machine may be faster or slower than it was: runs of now are
    compared with runs at the same speed.
    """
    scored = [run for run in now if run.score]
    if not scored:
        return list(runs)
    shares = [(run, _shares(run, scored)) for run in runs]
    return [run for run, share in shares if min(share) >= AS_FAST and max(share) <= 1 / AS_FAST]


def _shares(run: Run, others: Sequence[Run]) -> tuple[float, float]:
    """Return the run's steps and tokens, each as a share of the median of `others`."""
    steps, tokens = median(each.steps for each in others), median(each.tokens for each in others)
    return run.steps / steps if steps else 1.0, run.tokens / tokens if tokens else 1.0


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
