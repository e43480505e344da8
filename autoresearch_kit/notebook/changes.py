"""What differs between two notebooks, as edits and as a diff, and the same edits moved to a third.

Cells are merged line by line, as git does. In `config`, constants are merged by name, so that
changes of neighbouring lines don't conflict.
"""

import difflib
import html
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_kit.errors import EditError
from autoresearch_kit.notebook.constants import constant_lines, constant_values, set_constants
from autoresearch_kit.notebook.contract import CONFIG, SETUP
from autoresearch_kit.notebook.train_notebook import TrainNotebook
from autoresearch_kit.records import CellEdit, Constant, EditAction

_COLOURS = {
    "+": "background:rgba(46,160,67,.18)",
    "-": "background:rgba(248,81,73,.18)",
    "@": "opacity:.55",
}
_PRE = "line-height:1.35;overflow-x:auto;font-family:var(--jp-code-font-family,monospace)"


def changes(
    parent: TrainNotebook, edited: TrainNotebook
) -> tuple[tuple[CellEdit, ...], dict[str, Constant]]:
    """Return edits and constants such that `parent.apply` gives the code of `edited`.

    Both have the same locked cells. A cell that was moved is deleted and inserted.

    Raises:
        EditError: `config` has a syntax error.
    """
    match = difflib.SequenceMatcher(None, parent.editable, edited.editable, autojunk=False)
    unmoved = {
        name
        for start, _, size in match.get_matching_blocks()
        for name in parent.editable[start : start + size]
    }
    constants = _changed_constants(parent, edited)
    edits = [CellEdit(EditAction.DELETE, name) for name in parent.editable if name not in unmoved]
    after = SETUP
    for name in edited.editable:
        source = edited.cell(name).source
        if name not in unmoved:
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
    fitting = tuple(edit for edit in moved if edit)
    return fitting if len(fitting) == len(moved) else None


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
    """Return this cell or, if `new` lacks it, the last cell before it in `old` that `new` has."""
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
    """Return both changes of `config`, or None if they conflict.

    If `theirs` changed nothing but lines of constants, each of these is merged by itself.
    """
    try:
        before, after = constant_lines(base), constant_lines(theirs)
        if _without(base, before) != _without(theirs, after):
            return _merge_text(base, ours, theirs)
        merged = ours
        for name in [*before, *after]:
            here = constant_lines(merged)
            old, new = before.get(name), after.get(name)
            if new == old or new == here.get(name):
                continue
            if old != here.get(name):  # both changed it
                return None
            earlier = list(after)[: list(after).index(name)] if name in after else []
            merged = _with_line(merged, old, new, [here[n] for n in earlier if n in here])
    except EditError:  # a source does not parse
        return _merge_text(base, ours, theirs)
    return merged


def _without(source: str, lines: Mapping[str, str]) -> list[str]:
    """Return the lines that are not of constants."""
    return [line for line in source.split("\n") if line not in lines.values()]


def _with_line(source: str, old: str | None, new: str | None, earlier: Sequence[str]) -> str:
    """Return the source with `old` replaced by `new`; without `old`, `new` follows the earlier."""
    lines = source.split("\n")
    if old is None:
        at = lines.index(earlier[-1]) + 1 if earlier else 0
    else:
        at = lines.index(old)
        del lines[at]
    if new is not None:
        lines.insert(at, new)
    return "\n".join(lines)


@dataclass(frozen=True)
class CellDiff:
    """A code cell that differs; `lines` are a unified diff, without its header."""

    cell: str
    change: str
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join((f"{self.cell} ({self.change})", *self.lines))

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<span style="display:block;{_COLOURS.get(line[:1], "")}">'
            f"{html.escape(line) or ' '}</span>"
            for line in self.lines
        )
        head = f"<b>{html.escape(self.cell)}</b> ({html.escape(self.change)})"
        return f'<div>{head}</div><pre style="{_PRE}">{rows}</pre>'


class NotebookDiff(list[CellDiff]):
    """The cells that differ, in the notebook's order; Jupyter shows it as coloured lines."""

    def __str__(self) -> str:
        return "\n\n".join(str(diff) for diff in self) or "no cell differs"

    def _repr_html_(self) -> str:
        return "".join(diff._repr_html_() for diff in self) or "no cell differs"


def source_diff(old: str, new: str) -> NotebookDiff:
    """Return the code cells that differ between two notebooks' texts, as `cell_diff`."""
    return cell_diff(TrainNotebook.parse(old), TrainNotebook.parse(new))


def cell_diff(old: TrainNotebook, new: TrainNotebook) -> NotebookDiff:
    """Return the code cells that differ; a removed cell follows the cell that it followed."""
    before = {cell.name: cell.source for cell in old.cells if not cell.markdown}
    after = {cell.name: cell.source for cell in new.cells if not cell.markdown}
    names = list(after)
    for previous, name in zip(["", *before], before, strict=False):
        if name not in names:
            names.insert(names.index(previous) + 1 if previous else 0, name)
    diff = NotebookDiff()
    for name in names:
        was, becomes = before.get(name, ""), after.get(name, "")
        if was != becomes:
            change = "added" if name not in before else "changed" if name in after else "removed"
            lines = difflib.unified_diff(was.splitlines(), becomes.splitlines(), lineterm="", n=2)
            diff.append(CellDiff(name, change, tuple(lines)[2:]))
    return diff
