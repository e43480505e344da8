"""The cells that differ between two notebooks, for a terminal and for a notebook."""

import difflib
import html
from dataclasses import dataclass

from autoresearch_kit.notebook import TrainNotebook

_COLOURS = {
    "+": "background:rgba(46,160,67,.18)",
    "-": "background:rgba(248,81,73,.18)",
    "@": "opacity:.55",
}
_PRE = "line-height:1.35;overflow-x:auto;font-family:var(--jp-code-font-family,monospace)"


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
