"""Changes that were made for one notebook, brought to another: cells as git merges them, line by
line, and constants by their names, so that neighbouring lines of `config` are no conflict."""

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
    """The edits, made for `old` together with these constants, as edits of `new`.

    None if both changed the same lines or the same constant, or if what is edited is not there.
    """
    was, is_now = old.constants(), new.constants()
    if any(is_now.get(name) not in (was.get(name), value) for name, value in constants.items()):
        return None
    moved = [_move(edit, old, new) for edit in edits]
    found = tuple(edit for edit in moved if edit)
    return found if len(found) == len(moved) else None


def _move(edit: CellEdit, old: TrainNotebook, new: TrainNotebook) -> CellEdit | None:
    if edit.action is EditAction.INSERT:
        return replace(edit, after=_place(edit.after, old, new))
    if edit.cell not in new.editable or edit.cell not in old.editable:
        return None
    was, is_now = old.cell(edit.cell).source, new.cell(edit.cell).source
    if was == is_now:
        return edit
    if edit.action is EditAction.DELETE:
        return None
    merge = merge_config if edit.cell == CONFIG else merge_text
    merged = merge(was, is_now, edit.source)
    return None if merged is None else replace(edit, source=merged)


def _place(after: str, old: TrainNotebook, new: TrainNotebook) -> str:
    """The cell to insert after: this one, or if `new` lacks it, the last one before it in `old`."""
    if after not in old.editable or after in new.editable:
        return after
    before = old.editable[: old.editable.index(after)]
    return next((name for name in reversed(before) if name in new.editable), SETUP)


def merge_text(base: str, ours: str, theirs: str) -> str | None:
    """What both made of `base`, merged line by line; None if that leaves a conflict."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("ours", "base", "theirs")]
        for path, text in zip(paths, (ours, base, theirs), strict=True):
            path.write_text(text + "\n", encoding="utf-8")
        argv = ["git", "merge-file", "-p", "-q", *map(str, paths)]
        done = subprocess.run(argv, stdout=subprocess.PIPE, encoding="utf-8")
    return done.stdout.removesuffix("\n") if done.returncode == 0 else None


def merge_config(base: str, ours: str, theirs: str) -> str | None:
    """The same for sources of `config`: values by name, and so are whole lines of constants."""
    try:
        return _merge_constants(base, ours, theirs)
    except EditError:  # one does not parse, or a constant changed its type
        return merge_text(base, ours, theirs)


def _merge_constants(base: str, ours: str, theirs: str) -> str | None:
    was, is_now, wanted = (constant_values(source) for source in (base, ours, theirs))
    turned = {name: v for name, v in wanted.items() if name in was and was[name] != v}
    if any(is_now.get(name) not in (was[name], value) for name, value in turned.items()):
        return None
    if any(name in is_now and name not in was for name in wanted):
        return None
    same = {name: was[name] for name in was if name in is_now and name in wanted}
    like_base = [set_constants(source, same) for source in (ours, theirs)]
    merged = _merge_lines(base, *like_base)
    if merged is None:
        merged = merge_text(base, *like_base)
    if merged is None:
        return None
    values = {name: turned.get(name, is_now[name]) for name in same}
    return set_constants(merged, values)


def _merge_lines(base: str, ours: str, theirs: str) -> str | None:
    """`ours` with the constants that `theirs` adds and without those it drops.

    None if that is not all that `theirs` changed, or not possible.
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
    """The source with this line after that of the last of these constants which it has."""
    there = constant_lines(source)
    lines = source.split("\n")
    last = next((there[name] for name in reversed(before) if name in there), None)
    at = 0 if last is None else lines.index(last) + 1
    return "\n".join([*lines[:at], line, *lines[at:]])
