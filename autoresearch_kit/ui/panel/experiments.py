"""The table of experiments, and the experiment that is opened from it."""

from collections.abc import Callable, Sequence

import ipywidgets as widgets

from autoresearch_kit.errors import KitError
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook.changes import source_diff
from autoresearch_kit.reports.experiment import experiment_rows
from autoresearch_kit.reports.rows import Row
from autoresearch_kit.ui import opening
from autoresearch_kit.ui.panel import html
from autoresearch_kit.ui.panel.buttons import button
from autoresearch_kit.verdicts.estimates import estimates

PAGE = 12  # experiments on a page

NUMBER = widgets.Layout(width="64px", flex="0 0 auto")
WORDS = widgets.Layout(flex="1 1 auto", min_width="0")
"""The two parts of a line: the button with the experiment's number, and the rest."""


class Table:
    """Shows experiments, newest first; a row's button calls `opened` with its number.

    There is one page of widgets, which is used again for every page.
    """

    def __init__(self, opened: Callable[[int], None]) -> None:
        self._rows: Sequence[Row] = ()
        self._metric = ""
        self._page = 0
        self._lines = [_Line(opened) for _ in range(PAGE)]
        self._newer = widgets.Button(description="Newer")
        self._older = widgets.Button(description="Older")
        self._newer.on_click(lambda _: self._turn(-1))
        self._older.on_click(lambda _: self._turn(1))
        self._page_words = widgets.HTML()
        self._head = widgets.HTML(layout=WORDS)
        self._pager = widgets.HBox([self._newer, self._older, self._page_words])
        head = widgets.HBox([widgets.HTML(layout=NUMBER), self._head])
        self.box = widgets.VBox(
            [head, widgets.VBox([line.box for line in self._lines]), self._pager]
        )

    def show(self, rows: Sequence[Row], metric: str) -> None:
        """Show these experiments, given oldest first, with their scores in this metric."""
        self._metric = metric
        self._rows = rows[::-1]
        self.box.layout.display = "flex" if rows else "none"
        self._turn(0)

    def _turn(self, pages: int) -> None:
        last = max(0, (len(self._rows) - 1) // PAGE)
        self._page = min(self._page + pages, last)
        costs = any(row.cost for row in self._rows)
        self._head.value = html.table_head(self._metric, costs=costs)
        for at in range(self._page * PAGE, (self._page + 1) * PAGE):
            row = self._rows[at] if at < len(self._rows) else None
            # an experiment keeps its line while newer ones come above it, so that a click opens
            # what was clicked, even where the page moved before the kernel heard of it
            self._lines[(len(self._rows) - 1 - at) % PAGE].show(row, at, costs=costs)
        self._newer.disabled = self._page == 0
        self._older.disabled = self._page == last
        self._page_words.value = html.wrap(f"page {self._page + 1} of {last + 1}", "muted")
        self._pager.layout.display = "flex" if last else "none"


class _Line:
    """A row's widgets."""

    def __init__(self, opened: Callable[[int], None]) -> None:
        self._number = 0
        self._button = widgets.Button(layout=NUMBER, tooltip="open this experiment")
        self._button.on_click(lambda _: opened(self._number))
        self._text = widgets.HTML(layout=WORDS)
        self.box = widgets.HBox([self._button, self._text])

    def show(self, row: Row | None, at: int, *, costs: bool) -> None:
        """Show an experiment, or nothing, as line `at` from the top."""
        self.box.layout.display = "flex" if row else "none"
        self.box.layout.order = str(at)
        if row:
            self._number = row.number
            self._button.description = str(row.number)
            self._text.value = html.table_row(row, costs=costs)


class Opened:
    """Shows one experiment, with its changes and its executed notebook; or nothing.

    A keep that waits has buttons to approve and to reject it; `answered` is called afterwards.
    """

    def __init__(self, answered: Callable[[], None]) -> None:
        self._answered = answered
        self._chosen: tuple[History, int] | None = None
        self.close = widgets.Button(description="Close")
        self.notebook = widgets.Button(description="Open its notebook")
        self.said, self.details = widgets.HTML(), widgets.HTML()
        self.close.on_click(lambda _: self.clear())
        self.notebook.on_click(lambda _: self._open_notebook())
        self.approve = button("Approve", lambda: self._answer(approved=True), "success")
        self.reject = button("Reject", lambda: self._answer(approved=False), "danger")
        row = [self.close, self.notebook, self.approve, self.reject, self.said]
        buttons = widgets.HBox(row, layout={"flex_flow": "row wrap"})
        self.box = widgets.VBox([buttons, self.details], layout={"display": "none"})

    def show(self, history: History, number: int) -> None:
        """Show experiment `number`."""
        self.said.value = ""
        waits = False
        try:
            self.details.value = _details(history, number)
            waits = history.experiment(number).waits
        except KitError as error:  # the campaign was deleted
            self.details.value = html.message(str(error), "crash")
        for each in (self.approve, self.reject):
            each.layout.display = None if waits else "none"
        self._chosen = (history, number)
        self.box.layout.display = "flex"

    def clear(self) -> None:
        """Show nothing."""
        self._chosen = None
        self.box.layout.display = "none"

    def _answer(self, *, approved: bool) -> None:
        if self._chosen is None:
            return
        history, number = self._chosen
        try:
            answer = history.answer(number, approved=approved)
        except KitError as error:
            self.said.value = html.message(str(error), "crash")
        else:
            self.show(history, number)
            self.said.value = html.message(str(answer), "keep")
            self._answered()

    def _open_notebook(self) -> None:
        if self._chosen is None:
            return
        history, number = self._chosen
        try:
            path = opening.write_executed(history, number)
        except KitError as error:
            self.said.value = html.message(str(error), "crash")
        else:
            address = opening.lab_address(history.root, path, opening.own_server())
            self.said.value = html.file(path.relative_to(history.root), address)


def _details(history: History, number: int) -> str:
    experiment, diff = history.experiment(number), ""
    parent = experiment.proposal.parent
    if parent is not None:
        diff = source_diff(history.source(parent), history.source(number))._repr_html_()
    known = estimates(history.experiments()).get(number)
    (name, words), *rows = experiment_rows(experiment, known)
    heading = f'<div class="big">{name.capitalize()} {words}</div>'
    return html.wrap(f"{heading}{html.rows(rows)}<br>{diff}", "box scroll")
