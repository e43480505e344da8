"""Retries of ideas whose experiment the machine disturbed: pure functions of what was tried so far.

A disturbed experiment is no verdict on its idea. The next experiment tries the same edits again,
with other seeds, once the machine is quiet; `RETRIES` times at most.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from autoresearch_kit.records import Experiment, Proposal, Verdict, next_number

RETRIES = 2
"""The most retries of an idea."""


def due(experiments: Sequence[Experiment], pending: Sequence[Proposal] = ()) -> Proposal | None:
    """Return what the next experiment tries again, beside the `pending` ones.

    None if no idea was disturbed in its last try, or those that were are tried again already, or
    were often enough.
    """
    tries = Counter(map(_first, [*(each.proposal for each in experiments), *pending]))
    last = {_first(each.proposal): each for each in experiments}
    under_way = {_first(each) for each in pending}
    for first, each in last.items():
        disturbed = each.verdict is Verdict.DISTURBED and first not in under_way
        if disturbed and tries[first] <= RETRIES:
            number = next_number(experiments, pending)
            return replace(each.proposal, number=number, retry_of=first, attempts=())
    return None


def in_a_row(experiments: Sequence[Experiment]) -> int:
    """Return how many experiments up to the last were disturbed, one after the other."""
    count = 0
    for each in reversed(experiments):
        if each.verdict is not Verdict.DISTURBED:
            break
        count += 1
    return count


def ideas(proposals: Iterable[Proposal]) -> int:
    """Return how many ideas these are, the baseline among them; a retry is no new idea."""
    return sum(each.retry_of is None for each in proposals)


def retry_in_words(
    each: Experiment, experiments: Sequence[Experiment], running: Sequence[Proposal]
) -> str:
    """Return what becomes of a disturbed experiment's idea, as the end of a sentence."""
    first = _first(each.proposal)
    later = [other.proposal for other in experiments if other.number > each.number]
    for when, proposals in (("as", later), ("now, as", running)):
        if again := [other.number for other in proposals if other.retry_of == first]:
            return f"tried again {when} experiment {again[0]}"
    retry = due(experiments, running)
    return "tried again next" if retry and retry.retry_of == first else "not tried again"


def _first(proposal: Proposal) -> int:
    """Return the number under which this idea was tried first."""
    return proposal.number if proposal.retry_of is None else proposal.retry_of
