"""Moves edits made for one notebook to another.

Cells are merged line by line, as git does. In `config`, constants are merged by name, so that
changes of neighbouring lines don't conflict.
"""

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from autoresearch_kit.errors import EditError
from autoresearch_kit.notebook.constants import constant_lines, constant_values, set_constants
from autoresearch_kit.notebook.contract import CONFIG, SETUP
from autoresearch_kit.notebook.train_notebook import TrainNotebook
from autoresearch_kit.records import CellEdit, Constant, EditAction


def move_edits(
    edits: Sequence[CellEdit],
    constants: Mapping[str, Constant],
    old: TrainNotebook,
    new: TrainNotebook,
) -> tuple[CellEdit, ...] | None:
    """Return the edits, made for `old` together with these constants, as edits of `new`.

    None if both changed the same lines or the same constant, or if an edited cell is missing.
    """
    before, now = old.constants(), new.constants()
    if any(now.get(name) not in (before.get(name), value) for name, value in constants.items()):
        return None
    moved = [_move(edit, old, new) for edit in edits]
    kept = tuple(edit for edit in moved if edit)
    return kept if len(kept) == len(moved) else None


def _move(edit: CellEdit, old: TrainNotebook, new: TrainNotebook) -> CellEdit | None:
    if edit.action is EditAction.INSERT:
        return replace(edit, after=_nearest(edit.after, old, new))
    if edit.cell not in new.editable or edit.cell not in old.editable:
        return None
    before, now = old.cell(edit.cell).source, new.cell(edit.cell).source
    if before == now:
        return edit
    if edit.action is EditAction.DELETE:
        return None
    merge = merge_config if edit.cell == CONFIG else _merge_text
    merged = merge(before, now, edit.source)
    return None if merged is None else replace(edit, source=merged)


def _nearest(after: str, old: TrainNotebook, new: TrainNotebook) -> str:
    """Return this cell or, if `new` lacks it, the last one before it in `old` that `new` has."""
    if after not in old.editable or after in new.editable:
        return after
    before = old.editable[: old.editable.index(after)]
    return next((name for name in reversed(before) if name in new.editable), SETUP)


def _merge_text(base: str, ours: str, theirs: str) -> str | None:
    """Return both changes of `base`, merged line by line, or None if they conflict."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("ours", "base", "theirs")]
        for path, text in zip(paths, (ours, base, theirs), strict=True):
            path.write_text(text + "\n", encoding="utf-8")
        argv = ["git", "merge-file", "-p", "-q", *map(str, paths)]
        done = subprocess.run(argv, stdout=subprocess.PIPE, encoding="utf-8")
    return done.stdout.removesuffix("\n") if done.returncode == 0 else None


def merge_config(base: str, ours: str, theirs: str) -> str | None:
    """Return both changes of `config`, constants merged by name, or None if they conflict."""
    try:
        return _merge_constants(base, ours, theirs)
    except EditError:  # a source does not parse, or a constant changed its type
        return _merge_text(base, ours, theirs)


def _merge_constants(base: str, ours: str, theirs: str) -> str | None:
    before, now, wanted = (constant_values(source) for source in (base, ours, theirs))
    changed = {n: value for n, value in wanted.items() if n in before and before[n] != value}
    if any(now.get(name) not in (before[name], value) for name, value in changed.items()):
        return None
    if any(name in now and name not in before for name in wanted):
        return None
    shared = {name: before[name] for name in before if name in now and name in wanted}
    # The lines are merged with the base's values, so that only other changes can conflict.
    like_base = [set_constants(source, shared) for source in (ours, theirs)]
    merged = _merge_lines(base, *like_base) or _merge_text(base, *like_base)
    if merged is None:
        return None
    return set_constants(merged, {name: changed.get(name, now[name]) for name in shared})


def _merge_lines(base: str, ours: str, theirs: str) -> str | None:
    """Return `ours` with the constants that `theirs` adds and without those that it drops.

    None if `theirs` changed more than that, or `ours` changed a dropped constant.
    """
    before, here, after = (constant_lines(source) for source in (base, ours, theirs))
    added = [name for name in after if name not in before]
    dropped = [name for name in before if name not in after]
    if _without(base, dropped) != _without(theirs, added):
        return None
    if any(here.get(name) != before[name] for name in dropped):
        return None
    merged = _without(ours, dropped)
    for name in added:
        merged = _insert(merged, after[name], list(after)[: list(after).index(name)])
    return merged


def _without(source: str, names: Sequence[str]) -> str:
    lines = constant_lines(source)
    drop = {lines[name] for name in names}
    return "\n".join(line for line in source.split("\n") if line not in drop)


def _insert(source: str, line: str, before: Sequence[str]) -> str:
    """Return the source with this line after the last of the constants `before` that it has."""
    present = constant_lines(source)
    lines = source.split("\n")
    last = next((present[name] for name in reversed(before) if name in present), None)
    position = 0 if last is None else lines.index(last) + 1
    return "\n".join([*lines[:position], line, *lines[position:]])
