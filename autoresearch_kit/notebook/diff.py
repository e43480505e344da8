"""What an experiment changed, cell by cell, to be read in a terminal and in a notebook."""

import difflib
import html
from collections.abc import Sequence
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
    """One code cell that differs; `lines` are a unified diff, without its header."""

    cell: str
    change: str
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join((f"{self.cell} ({self.change})", *self.lines))

    def _repr_markdown_(self) -> str:
        body = "\n".join(self.lines)
        fence = "```"
        while fence in body:
            fence += "`"
        return f"**{self.cell}** ({self.change})\n\n{fence}diff\n{body}\n{fence}\n"

    def _repr_html_(self) -> str:
        rows = "".join(_row(line) for line in self.lines)
        head = f"<b>{html.escape(self.cell)}</b> ({html.escape(self.change)})"
        return f'<div>{head}</div><pre style="{_PRE}">{rows}</pre>'


class NotebookDiff(list[CellDiff]):
    """The cells that differ, in the notebook's order; the last expression of a cell shows it."""

    def __str__(self) -> str:
        return "\n\n".join(str(diff) for diff in self) or "no cell differs"

    def _repr_markdown_(self) -> str:
        return "\n".join(diff._repr_markdown_() for diff in self) or "no cell differs"

    def _repr_html_(self) -> str:
        return "".join(diff._repr_html_() for diff in self) or "no cell differs"


def cell_diff(old: TrainNotebook, new: TrainNotebook) -> NotebookDiff:
    """The code cells that differ from `old` to `new`; a removed one stands where it stood."""
    before = {cell.name: cell.source for cell in old.cells if not cell.markdown}
    after = {cell.name: cell.source for cell in new.cells if not cell.markdown}
    return NotebookDiff(
        CellDiff(name, _change(name in before, name in after), _lines(was, becomes))
        for name in _in_order(list(before), list(after))
        if (was := before.get(name, "")) != (becomes := after.get(name, ""))
    )


def _change(before: bool, after: bool) -> str:
    if before and after:
        return "changed"
    return "removed" if before else "added"


def _in_order(before: Sequence[str], after: Sequence[str]) -> list[str]:
    names = list(after)
    for at, name in enumerate(before):
        if name not in names:
            names.insert(names.index(before[at - 1]) + 1 if at else 0, name)
    return names


def _lines(old: str, new: str) -> tuple[str, ...]:
    diff = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=2)
    return tuple(diff)[2:]


def _row(line: str) -> str:
    style = _COLOURS.get(line[:1], "")
    text = html.escape(line) or " "
    return f'<span style="display:block;{style}">{text}</span>'
