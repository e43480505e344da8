"""Finds code that was tried before: equal structure and constants, whatever the comments."""

from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Experiment, Proposal, Reason
from autoresearch_kit.researchers.base import View

NEVER_RAN = (Reason.INVALID_EDIT, Reason.KIT_FAILED)  # experiments that never ran as proposed
NOT_TRIED = (*NEVER_RAN, Reason.MACHINE_BUSY, Reason.FEWER_STEPS)
"""Experiments that say nothing about their code: never run, or disturbed by the machine."""


def tried_before(view: View, notebook: TrainNotebook) -> Experiment | None:
    """Return the experiment that ran this notebook's code, or None.

    Raises:
        EditError: a cell has a syntax error.
    """
    code = (notebook.structure(), notebook.constants())
    ran = (e for e in view.experiments if e.reason not in NOT_TRIED)
    return next((e for e in ran if (e.structure, dict(e.constants)) == code), None)


def in_flight_with(view: View, notebook: TrainNotebook, history: History) -> Proposal | None:
    """Return the proposal under way or prepared that has this notebook's code, or None."""
    code = (notebook.structure(), notebook.constants())
    for proposal in view.in_flight:
        if not proposal.failure and proposal.parent is not None:
            built_on = view.notebook
            if proposal.parent != view.best:  # the best moved since it was made
                built_on = TrainNotebook.parse(history.source(proposal.parent))
            made = built_on.apply(proposal.edits, proposal.constants)
            if (made.structure(), made.constants()) == code:
                return proposal
    return None


def shares_change(one: Proposal, other: Proposal) -> bool:
    """Return whether both set a constant to the same value, or make the same edit of a cell."""
    constants = one.constants.items() & other.constants.items()
    return bool(constants) or any(edit in other.edits for edit in one.edits)
