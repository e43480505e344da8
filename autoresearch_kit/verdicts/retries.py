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
    """Return what the next experiment tries again; None if the last was judged, or tried often
    enough.
    """
    if not experiments or experiments[-1].verdict is not Verdict.DISTURBED:
        return None
    last = experiments[-1].proposal
    first = last.number if last.retry_of is None else last.retry_of
    if sum(each.proposal.retry_of == first for each in experiments) >= RETRIES:
        return None
    return replace(last, number=len(experiments), retry_of=first, attempts=())


def in_a_row(experiments: Sequence[Experiment]) -> int:
    """Return how many experiments up to the last were disturbed, one after the other."""
    count = 0
    for each in reversed(experiments):
        if each.verdict is not Verdict.DISTURBED:
            break
        count += 1
    return count


def ideas(proposals: Iterable[Proposal]) -> int:
    """Return how many ideas these are, the baseline among them: one that is tried again counts
    once.
    """
    return sum(each.retry_of is None for each in proposals)


def fate(each: Experiment, experiments: Sequence[Experiment], running: Proposal | None) -> str:
    """Return what becomes of a disturbed experiment's idea, as the end of a sentence."""
    first = each.number if each.proposal.retry_of is None else each.proposal.retry_of
    later = [other.proposal for other in experiments[each.number + 1 :]]
    again = [other.number for other in later if other.retry_of == first]
    if again:
        return f"tried again as experiment {again[0]}"
    if running is not None and running.retry_of == first:
        return f"tried again now, as experiment {running.number}"
    return "tried again next" if due(experiments) and each is experiments[-1] else "not tried again"
