"""Moves a proposal that was made for one best to the next."""

from dataclasses import replace

from autoresearch_kit.errors import EditError
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.changes import move_edits
from autoresearch_kit.records import Proposal


def rebase(
    proposal: Proposal, old: TrainNotebook, new: TrainNotebook, best: int
) -> Proposal | None:
    """Return the proposal, made for `old`, as one for `new`, the notebook of experiment `best`.

    A cell that both changed is merged line by line, as git merges. None if that leaves a conflict,
    if both changed a constant, or if what the proposal edits is not there any more.
    """
    edits = move_edits(proposal.edits, proposal.constants, old, new)
    if edits is None:
        return None
    moved = replace(proposal, parent=best, edits=edits)
    try:
        new.apply(moved.edits, moved.constants).check(new)
    except EditError:
        return None
    return moved
