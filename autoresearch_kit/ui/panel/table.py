"""The table of experiments: one page of widgets, which are used again for every page."""

from collections.abc import Callable, Sequence

import ipywidgets as widgets

from autoresearch_kit.reports.rows import Row
from autoresearch_kit.ui.panel import pieces

PAGE = 12
"""Experiments on a page."""


class Table:
    """Shows experiments, newest first; a row's button calls `opened` with its number."""

    def __init__(self, opened: Callable[[int], None]) -> None:
        self._opened = opened
        self._rows: Sequence[Row] = ()
        self._page = 0
        self._lines = [_Line(opened) for _ in range(PAGE)]
        self._newer = widgets.Button(description="Newer")
        self._older = widgets.Button(description="Older")
        self._where = widgets.HTML()
        self._newer.on_click(lambda _: self._turn(-1))
        self._older.on_click(lambda _: self._turn(1))
        self._head = _wide()
        head = widgets.HBox([widgets.HTML(layout=_BUTTON), self._head])
        self._pager = widgets.HBox([self._newer, self._older, self._where])
        lines = widgets.VBox([line.box for line in self._lines])
        self.box = widgets.VBox([head, lines, self._pager])

    def show(self, rows: Sequence[Row]) -> None:
        """Show these experiments, given oldest first."""
        self._rows = rows[::-1]
        self._page = min(self._page, max(0, (len(rows) - 1) // PAGE))
        self._fill()

    def _turn(self, pages: int) -> None:
        self._page += pages
        self._fill()

    def _fill(self) -> None:
        """Show the page; an experiment keeps its line while newer ones come above it.

        So a click opens what was clicked, even where the page moved before the kernel heard of it.
        """
        costs = any(row.cost for row in self._rows)
        self._head.value = pieces.table_head(costs=costs)
        for at in range(self._page * PAGE, (self._page + 1) * PAGE):
            row = self._rows[at] if at < len(self._rows) else None
            self._lines[(len(self._rows) - 1 - at) % PAGE].show(row, at, costs=costs)
        pages = max(1, -(-len(self._rows) // PAGE))
        self._newer.disabled = self._page == 0
        self._older.disabled = self._page >= pages - 1
        self._where.value = pieces.wrap(f"page {self._page + 1} of {pages}", "muted")
        self._pager.layout.display = "flex" if pages > 1 else "none"


_BUTTON = widgets.Layout(width="64px", flex="0 0 auto")


def _wide(value: str = "") -> widgets.HTML:
    return widgets.HTML(value, layout=widgets.Layout(flex="1 1 auto", min_width="0"))


class _Line:
    """A row's widgets."""

    def __init__(self, opened: Callable[[int], None]) -> None:
        self._number = 0
        self._button = widgets.Button(layout=_BUTTON, tooltip="open this experiment")
        self._text = _wide()
        self._button.on_click(lambda _: opened(self._number))
        self.box = widgets.HBox([self._button, self._text])

    def show(self, row: Row | None, at: int, *, costs: bool) -> None:
        """Show an experiment, or nothing, in the place `at` among the lines."""
        self.box.layout.display = "flex" if row else "none"
        self.box.layout.order = str(at)
        if row:
            self._number = row.number
            self._button.description = str(row.number)
            self._text.value = pieces.table_row(row, costs=costs)
