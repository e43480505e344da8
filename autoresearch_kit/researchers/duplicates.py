"""Code that was tried before: equal structure and equal constants, whatever the comments."""

from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Experiment, Reason
from autoresearch_kit.researchers.base import View

NEVER_RAN = (Reason.INVALID_EDIT, Reason.KIT_FAILED)
"""Experiments that never ran as proposed."""

NOT_TRIED = (*NEVER_RAN, Reason.MACHINE_BUSY, Reason.FEWER_STEPS)
"""Those, and experiments that the machine disturbed: they say nothing about their code."""


def tried_before(view: View, notebook: TrainNotebook) -> Experiment | None:
    """The experiment that ran this notebook's code; None if none did.

    Raises:
        EditError: a cell has a syntax error.
    """
    code = (notebook.structure(), notebook.constants())
    ran = (one for one in view.experiments if one.reason not in NOT_TRIED)
    return next((one for one in ran if (one.structure, dict(one.constants)) == code), None)


def is_running(view: View, notebook: TrainNotebook) -> bool:
    """Whether the experiment under way has this notebook's code."""
    running = view.running
    if running is None or running.failure:
        return False
    now = view.notebook.apply(running.edits, running.constants)
    return (now.structure(), now.constants()) == (notebook.structure(), notebook.constants())
