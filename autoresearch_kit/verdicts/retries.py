"""Trying again what the machine disturbed: pure functions of what was tried so far.

A disturbed experiment is no verdict on its idea. The same edits are tried again by the next
experiment, once the machine is quiet, under other seeds; after `RETRIES` times that is its end.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from autoresearch_kit.records import Experiment, Proposal, Verdict

RETRIES = 2
"""How often an idea is tried again."""


def due(experiments: Sequence[Experiment]) -> Proposal | None:
    """What the next experiment tries again; None if the last was judged, or tried often enough."""
    if not experiments or experiments[-1].verdict is not Verdict.DISTURBED:
        return None
    last = experiments[-1].proposal
    first = last.number if last.retry_of is None else last.retry_of
    if sum(one.proposal.retry_of == first for one in experiments) >= RETRIES:
        return None
    return replace(last, number=len(experiments), retry_of=first, attempts=())


def in_a_row(experiments: Sequence[Experiment]) -> int:
    """How many experiments up to the last were disturbed, one after the other."""
    count = 0
    for one in reversed(experiments):
        if one.verdict is not Verdict.DISTURBED:
            break
        count += 1
    return count


def ideas(proposals: Iterable[Proposal]) -> int:
    """How many ideas these are, the baseline among them: one that is tried again counts once."""
    return sum(one.retry_of is None for one in proposals)


def fate(one: Experiment, experiments: Sequence[Experiment], running: Proposal | None) -> str:
    """What becomes of a disturbed experiment's idea, as the end of a sentence."""
    first = one.number if one.proposal.retry_of is None else one.proposal.retry_of
    later = [other.proposal for other in experiments[one.number + 1 :]]
    again = [other.number for other in later if other.retry_of == first]
    if again:
        return f"tried again as experiment {again[0]}"
    if running is not None and running.retry_of == first:
        return f"tried again now, as experiment {running.number}"
    return "tried again next" if due(experiments) and one is experiments[-1] else "not tried again"
