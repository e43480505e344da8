"""The run that counts, among the runs of one code with one seed: pure functions.

Since all follows from the runs, which are written down, a campaign that was killed goes on where it
was, and later runs of the same code can show that one which counted was slow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch_kit.records import Arm, Measured, Reason, Run, Settings
from autoresearch_kit.verdicts.validity import (
    Repeat,
    least_disturbed,
    repeat,
    why_disturbed,
    why_invalid,
)


@dataclass(frozen=True)
class Settled:
    """The outcome of one seed: the run that counts, and those with the same seed that were set
    aside.

    Where all were disturbed, `disturbed` says by what, `reason` which kind that is, and `counts` is
    the least disturbed, which does not count either.
    """

    counts: Measured
    set_aside: tuple[Measured, ...] = ()
    disturbed: str = ""
    reason: Reason = Reason.MACHINE_BUSY

    @property
    def run(self) -> Run:
        """Return the one that counts, or the least disturbed."""
        return self.counts.run


def settle(
    arm: Arm, tried: Sequence[Measured], before: Sequence[Run], settings: Settings, usual: float
) -> Settled | None:
    """Return what came of the runs with one seed; None if there is another to do.

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
        return _split(tried, max(counting, key=lambda each: (bool(each.run.score), each.run.steps)))
    least = least_disturbed(tried)
    why = why_invalid(least.run, before, settings, usual)
    reason = Reason.MACHINE_BUSY if len(quiet) < len(tried) else Reason.FEWER_STEPS
    return _split(tried, least, why, reason)


def _split(
    tried: Sequence[Measured],
    counts: Measured,
    disturbed: str = "",
    reason: Reason = Reason.MACHINE_BUSY,
) -> Settled:
    return Settled(counts, tuple(each for each in tried if each is not counts), disturbed, reason)
