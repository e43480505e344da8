"""A proposal that was made for one best, brought to the next."""

import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from autoresearch_kit.errors import EditError
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import CellEdit, EditAction, Proposal


def rebase(
    proposal: Proposal, old: TrainNotebook, new: TrainNotebook, best: int
) -> Proposal | None:
    """The proposal, made for `old`, as one for `new`, the notebook of experiment `best`.

    A cell that both changed is merged line by line, as git merges. None if that leaves a conflict,
    if both changed a constant, or if what the proposal edits is not there any more.
    """
    edits = [_edit(edit, old, new) for edit in proposal.edits]
    if None in edits or _both_changed(proposal, old, new):
        return None
    moved = replace(proposal, parent=best, edits=tuple(edit for edit in edits if edit))
    try:
        new.apply(moved.edits, moved.constants).check(new)
    except EditError:
        return None
    return moved


def _edit(edit: CellEdit, old: TrainNotebook, new: TrainNotebook) -> CellEdit | None:
    if edit.action is EditAction.INSERT:
        return edit
    if edit.cell not in new.editable or edit.cell not in old.editable:
        return None
    was, is_now = old.cell(edit.cell).source, new.cell(edit.cell).source
    if was == is_now:
        return edit
    if edit.action is EditAction.DELETE:
        return None
    merged = _merge(was, is_now, edit.source)
    return None if merged is None else replace(edit, source=merged)


def _both_changed(proposal: Proposal, old: TrainNotebook, new: TrainNotebook) -> bool:
    was, is_now = old.constants(), new.constants()
    return any(was.get(name) != is_now.get(name) for name in proposal.constants)


def _merge(base: str, ours: str, theirs: str) -> str | None:
    """A three-way merge; None if it has conflicts."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("ours", "base", "theirs")]
        for path, text in zip(paths, (ours, base, theirs), strict=True):
            path.write_text(text + "\n", encoding="utf-8")
        argv = ["git", "merge-file", "-p", "-q", *map(str, paths)]
        done = subprocess.run(argv, stdout=subprocess.PIPE, encoding="utf-8")
    return done.stdout.removesuffix("\n") if done.returncode == 0 else None
