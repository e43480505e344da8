"""Repeats of a run with one seed: when there is another, and which run counts. Pure functions.

A run that does not count is repeated with its seed: at once, `MOST_REPEATS` times at most, and not
where the machine is no quieter then; after that once more, when it is quiet. All follows from the
runs, which are written down, so that a campaign that was killed goes on where it was, and later
runs of the same code can show that a run which counted was slow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from statistics import fmean
from typing import Protocol, TypeVar

from autoresearch_kit.records import Arm, Measured, Metric, Reason, Run, Settings, Verdict
from autoresearch_kit.verdicts.decide import Decision
from autoresearch_kit.verdicts.runs_by_code import scores_of
from autoresearch_kit.verdicts.validity import why_disturbed, why_invalid

MOST_REPEATS = 2
"""The most repeats at once of a disturbed run."""

UNLUCKY = 4.0
"""Sigmas by which a score may be worse than the mean of the code's other runs by bad luck. A run
with a fifth fewer steps is worse by about twice that."""


class Repeat(Enum):
    """The time at which a run that does not count is repeated, if at all."""

    AT_ONCE = auto()
    WHEN_QUIET = auto()
    NO_MORE = auto()


class CheckedRun(Protocol):
    """A run, and why it should be repeated: empty if it counts."""

    @property
    def run(self) -> Run:
        """Return the run as it was measured."""

    @property
    def disturbed(self) -> str:
        """Return the reason that `why_invalid` gave."""


S = TypeVar("S", bound=CheckedRun)


def repeat(tried: Sequence[Run]) -> Repeat:
    """Return the next step after runs with one seed of which none counts."""
    for count in range(1, len(tried) + 1):
        if not _helps(tried[:count]):
            return Repeat.WHEN_QUIET if count == len(tried) else Repeat.NO_MORE
    return Repeat.AT_ONCE


def once_more(tried: Sequence[CheckedRun]) -> bool:
    """Return whether to run a code (again) at once, under the seed of these runs of it."""
    return not tried or (bool(tried[-1].disturbed) and _helps([each.run for each in tried]))


def least_disturbed(tried: Sequence[S]) -> S:
    """Return the run that counts: undisturbed, else scored, else with the least elsewhere."""
    return min(
        tried, key=lambda each: (bool(each.disturbed), each.run.score is None, _elsewhere(each.run))
    )


def _helps(tried: Sequence[Run]) -> bool:
    """Return whether a repeat at once may help: the machine got quieter from run to run."""
    quieter = len(tried) == 1 or _elsewhere(tried[-1]) < _elsewhere(tried[-2])
    return quieter and len(tried) <= MOST_REPEATS


def _elsewhere(run: Run) -> float:
    return run.conditions.elsewhere if run.conditions else 1.0


@dataclass(frozen=True)
class SeedOutcome:
    """The outcome of one seed: the run chosen to count, and those that were set aside.

    Where all were disturbed, `disturbed` says by what and `reason` which kind that is; `chosen` is
    then the least disturbed, which does not count either.
    """

    chosen: Measured
    set_aside: tuple[Measured, ...] = ()
    disturbed: str = ""
    reason: Reason = Reason.MACHINE_BUSY

    @property
    def run(self) -> Run:
        """Return the chosen run."""
        return self.chosen.run


def settle(
    arm: Arm, tried: Sequence[Measured], before: Sequence[Run], settings: Settings, usual: float
) -> SeedOutcome | None:
    """Return the outcome of the runs with one seed; None if another run is needed.

    `before` are other runs of the same code that count, `usual` is as in `why_invalid`.

    A re-run of the best that stays slow on a quiet machine counts in the end: then the machine is
    slower than it was, and what is tried now is as well. Without that, code that claims fewer steps
    once it is the best would keep all later ideas from being compared with it.
    """
    counting = [each for each in tried if not why_invalid(each.run, before, settings, usual)]
    if not counting and repeat([each.run for each in tried]) is not Repeat.NO_MORE:
        return None
    quiet = [each for each in tried if not why_disturbed(each.run, settings, usual)]
    if not counting and arm is Arm.BEST:
        counting = quiet
    if counting:
        chosen = max(counting, key=lambda each: (bool(each.run.score), each.run.steps))
        return SeedOutcome(chosen, _others(tried, chosen))
    chosen = least_disturbed(tried)
    why = why_invalid(chosen.run, before, settings, usual)
    reason = Reason.MACHINE_BUSY if len(quiet) < len(tried) else Reason.FEWER_STEPS
    return SeedOutcome(chosen, _others(tried, chosen), why, reason)


def _others(tried: Sequence[Measured], chosen: Measured) -> tuple[Measured, ...]:
    return tuple(each for each in tried if each is not chosen)


def scores(seeds: Sequence[SeedOutcome], metric: Metric) -> tuple[float, ...]:
    """Return the scores of the chosen runs of one code, by this metric."""
    return scores_of((seed.run for seed in seeds), metric)


def claimed(
    seeds: Sequence[SeedOutcome], metric: Metric, sigma: float, settings: Settings, usual: float
) -> tuple[float, ...]:
    """Return the scores of one code, with those of runs set aside only for too few steps.

    The notebook itself reports its steps. Code could report few steps whenever it sees that it is
    unlucky, and so be run again; the best, when it is lucky. A machine that is really slow costs
    far more than luck: scores more than `UNLUCKY` sigma worse than the mean of those that count are
    left out. Of one seed the score that counts comes last, so that an idea's first score stays the
    one that it was picked by.
    """
    counting = scores(seeds, metric)
    if not counting:
        return ()
    mean, every = fmean(counting), list[float]()
    for seed in seeds:
        aside = [each.run for each in seed.set_aside]
        undisturbed = [run for run in aside if not why_disturbed(run, settings, usual)]
        every += [
            score
            for score in scores_of(undisturbed, metric)
            if metric.sign * (score - mean) <= UNLUCKY * sigma
        ]
        every += scores_of([seed.run], metric)
    return tuple(every)


def not_judged(seeds: Sequence[SeedOutcome], what: str = "run") -> Decision | None:
    """Return the verdict where a run that is needed stays disturbed; None where none does."""
    for index, seed in enumerate(seeds, start=1):
        if seed.disturbed:
            tries = len(seed.set_aside) + 1
            detail = f"{what} {index}, disturbed {tries} times, is not judged: {seed.disturbed}"
            return Decision(Verdict.DISTURBED, seed.reason, detail)
    return None


def ended(seeds: Sequence[SeedOutcome]) -> Decision | None:
    """Return the verdict on code that fails with any seed, or has a run that stays disturbed."""
    if disturbed := not_judged(seeds):
        return disturbed
    for index, seed in enumerate(seeds, start=1):
        if seed.run.score is None:
            which = f"run {index}: " if len(seeds) > 1 else ""
            reason = seed.run.failure or Reason.KIT_FAILED
            return Decision(Verdict.CRASH, reason, f"{which}{seed.run.detail}")
    return None
