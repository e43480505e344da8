"""The cell edits and constants that turn one notebook into another."""

import difflib

from autoresearch_kit.errors import EditError
from autoresearch_kit.notebook.constants import constant_values, set_constants
from autoresearch_kit.notebook.contract import CONFIG, SETUP
from autoresearch_kit.notebook.train_notebook import TrainNotebook
from autoresearch_kit.records import CellEdit, Constant, EditAction


def changes(
    parent: TrainNotebook, edited: TrainNotebook
) -> tuple[tuple[CellEdit, ...], dict[str, Constant]]:
    """Return edits and constants such that `parent.apply` gives the code of `edited`.

    Both have the same locked cells. A cell that was moved is deleted and inserted.

    Raises:
        EditError: `config` has a syntax error.
    """
    match = difflib.SequenceMatcher(None, parent.editable, edited.editable, autojunk=False)
    in_place = {
        name
        for start, _, size in match.get_matching_blocks()
        for name in parent.editable[start : start + size]
    }
    constants = _changed_constants(parent, edited)
    edits = [CellEdit(EditAction.DELETE, name) for name in parent.editable if name not in in_place]
    after = SETUP
    for name in edited.editable:
        source = edited.cell(name).source
        if name not in in_place:
            edits.append(CellEdit(EditAction.INSERT, name, source, after))
        elif source != parent.cell(name).source and not (name == CONFIG and constants):
            edits.append(CellEdit(EditAction.REPLACE, name, source))
        after = name
    return tuple(edits), constants


def _changed_constants(parent: TrainNotebook, edited: TrainNotebook) -> dict[str, Constant]:
    """Return the constants that differ, or none where more than their values differs."""
    old, new = parent.cell(CONFIG).source, edited.cell(CONFIG).source
    before = constant_values(old)
    changed = {
        name: value for name, value in constant_values(new).items() if before.get(name) != value
    }
    try:
        return changed if set_constants(old, changed) == new else {}
    except EditError:  # a constant is new, or of another type
        return {}
