"""What makes one notebook out of another: cell edits, and constants where only values differ."""

import difflib

from autoresearch_kit.errors import EditError
from autoresearch_kit.notebook.constants import constant_values, set_constants
from autoresearch_kit.notebook.contract import CONFIG
from autoresearch_kit.notebook.train_notebook import TrainNotebook
from autoresearch_kit.records import CellEdit, Constant, EditAction


def changes(
    parent: TrainNotebook, edited: TrainNotebook
) -> tuple[tuple[CellEdit, ...], dict[str, Constant]]:
    """Edits and constants such that `parent.apply(edits, constants)` has the code of `edited`.

    Both have the same locked cells. A cell that was moved is deleted and inserted.

    Raises:
        EditError: `config` has a syntax error.
    """
    stay = _staying(parent, edited)
    constants = _constants(parent, edited)
    edits = [CellEdit(EditAction.DELETE, name) for name in parent.editable if name not in stay]
    after = "setup"
    for name in edited.editable:
        source = edited.cell(name).source
        if name not in stay:
            edits.append(CellEdit(EditAction.INSERT, name, source, after))
        elif source != parent.cell(name).source and not (name == CONFIG and constants):
            edits.append(CellEdit(EditAction.REPLACE, name, source))
        after = name
    return tuple(edits), constants


def _staying(parent: TrainNotebook, edited: TrainNotebook) -> set[str]:
    """Cells of both, that stand in the same order in both."""
    match = difflib.SequenceMatcher(None, parent.editable, edited.editable, autojunk=False)
    return {
        name
        for at, _, size in match.get_matching_blocks()
        for name in parent.editable[at : at + size]
    }


def _constants(parent: TrainNotebook, edited: TrainNotebook) -> dict[str, Constant]:
    """The constants that differ, if nothing else in `config` does."""
    old, new = parent.cell(CONFIG).source, edited.cell(CONFIG).source
    was = constant_values(old)
    differing = {
        name: value for name, value in constant_values(new).items() if was.get(name) != value
    }
    try:
        return differing if set_constants(old, differing) == new else {}
    except EditError:
        return {}
