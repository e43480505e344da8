"""Finds code that was tried before: equal structure and constants, whatever the comments."""

from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Experiment, Reason
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


def is_running(view: View, notebook: TrainNotebook) -> bool:
    """Return whether the experiment under way has this notebook's code."""
    running = view.running
    if running is None or running.failure:
        return False
    now = view.notebook.apply(running.edits, running.constants)
    return (now.structure(), now.constants()) == (notebook.structure(), notebook.constants())
