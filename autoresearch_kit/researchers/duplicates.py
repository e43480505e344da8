"""Finds code that was tried before: equal structure and constants, whatever the comments."""

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


def running_with(view: View, notebook: TrainNotebook) -> Proposal | None:
    """Return the proposal under way that has this notebook's code, or None."""
    code = (notebook.structure(), notebook.constants())
    for running in view.running:
        if not running.failure:
            now = view.notebook.apply(running.edits, running.constants)
            if (now.structure(), now.constants()) == code:
                return running
    return None
