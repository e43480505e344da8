"""Bounds: whether a code is within them, decided against the noise of each metric. Pure functions.

A code whose measurements lie within noise of a bound is run again; at the limit of runs, and under
the greedy rule, their mean decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from autoresearch_kit.records import (
    Arm,
    Bound,
    Experiment,
    Gain,
    Noise,
    Reason,
    Task,
    Verdict,
    by_finish,
)
from autoresearch_kit.records.text import with_error
from autoresearch_kit.verdicts.decide import Decision
from autoresearch_kit.verdicts.gains import error_of, probability_better
from autoresearch_kit.verdicts.samples import Sample

SURE = 0.975
"""The probability of being within a bound, or outside, at which that is taken to be so."""


class Standing(IntEnum):
    """The standing of a code towards bounds, the worst last."""

    WITHIN = 0
    OPEN = 1
    BROKEN = 2


@dataclass(frozen=True)
class BoundTest:
    """A test of a code against a bound: the measurements of its metric, and their noise.

    `sample` has no scores where the metric was not measured. Without `noise` the mean decides.
    """

    bound: Bound
    sample: Sample
    noise: Noise | None

    @classmethod
    def of_idea(cls, bound: Bound, sample: Sample, noise: Noise | None, runs: int) -> "BoundTest":
        """Return an idea held against a bound, by so many runs.

        Code could have the metric measured where it is within the bound, and only there. So the
        metric counts as not measured where a run lacks it.
        """
        return cls(bound, sample if len(sample.scores) == runs else sample.only(()), noise)

    def standing(self, *, last: bool) -> Standing:
        """Return its standing; `last`: there are no more runs to come."""
        if not self.sample.scores:
            return Standing.BROKEN
        error, dof = error_of(self.sample, self.noise) if self.noise else (0.0, 1.0)
        if last or error == 0:
            return Standing.WITHIN if self.bound.holds(self.sample.mean) else Standing.BROKEN
        room = self.bound.limit - self.sample.mean
        inside = probability_better(Gain(room if self.bound.at_most else -room, error, dof))
        if inside >= SURE:
            return Standing.WITHIN
        return Standing.BROKEN if inside <= 1 - SURE else Standing.OPEN

    @property
    def is_outside(self) -> bool:
        """Return whether it surely breaks the bound, by what was measured of it."""
        return bool(self.sample.scores) and self.standing(last=False) is Standing.BROKEN

    def __str__(self) -> str:
        if not self.sample.scores:
            return f"{self.bound.metric} was not measured each time, and {self.bound} must hold"
        error = error_of(self.sample, self.noise)[0] if self.noise else None
        return (
            f"{self.bound.metric} is {with_error(self.sample.mean, error)}, {self.bound} must hold"
        )


def standing(held: Sequence[BoundTest], *, last: bool) -> Standing:
    """Return the worst standing of a code towards these bounds."""
    return max((each.standing(last=last) for each in held), default=Standing.WITHIN)


def within(
    decided: Decision | Arm, own: Sequence[BoundTest], best: Sequence[BoundTest], *, last: bool
) -> Decision | Arm:
    """Return the verdict by scores, changed by the bounds in force; or whose code to run once more.

    An idea that breaks a bound is discarded, whatever its score. Where the best surely breaks one,
    the first idea that does not is kept, whatever its score. `last`: no more runs are made.
    """
    now = standing(own, last=last)
    if now is Standing.BROKEN:
        broken = [str(each) for each in own if each.standing(last=last) is Standing.BROKEN]
        return Decision(Verdict.DISCARD, Reason.OUT_OF_BOUNDS, "; ".join(broken), _gain(decided))
    outside = [each for each in best if each.is_outside]
    keeps = isinstance(decided, Decision) and decided.verdict is Verdict.KEEP
    if now is Standing.OPEN and (outside or keeps):
        return Arm.CHALLENGER
    if outside:
        found = "; ".join(str(each) for each in own)
        detail = f"{found}; of the best, {'; '.join(map(str, outside))}"
        return Decision(Verdict.KEEP, Reason.WITHIN_BOUNDS, detail, _gain(decided))
    return decided


def in_force(
    written: tuple[Bound, ...] | None, experiments: Sequence[Experiment], task: Task
) -> tuple[Bound, ...]:
    """Return the bounds that hold now: as `written` in the workspace, else as in the last verdict.

    Before there is one, those of the task.
    """
    if written is not None:
        return written
    return by_finish(experiments)[-1].bounds if experiments else task.bounds


def _gain(decided: Decision | Arm) -> Gain | None:
    return decided.gain if isinstance(decided, Decision) else None
