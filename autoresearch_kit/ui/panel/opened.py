"""The experiment opened from the table: its changes, and its executed notebook."""

import ipywidgets as widgets

from autoresearch_kit.errors import KitError
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.diff import cell_diff
from autoresearch_kit.ui import opening
from autoresearch_kit.ui.panel import pieces


class Opened:
    """Shows one experiment, or nothing."""

    def __init__(self) -> None:
        self._chosen: tuple[History, int] | None = None
        self.close = widgets.Button(description="Close")
        self.notebook = widgets.Button(description="Open its notebook")
        self.said, self.details = widgets.HTML(), widgets.HTML()
        self.close.on_click(lambda _: self.clear())
        self.notebook.on_click(lambda _: self._open_notebook())
        buttons = widgets.HBox([self.close, self.notebook, self.said])
        self.box = widgets.VBox([buttons, self.details], layout={"display": "none"})

    def show(self, history: History, number: int) -> None:
        """Show experiment `number`."""
        self.said.value = ""
        try:
            self.details.value = _words(history, number)
        except KitError as error:  # the campaign was deleted
            self.details.value = pieces.message(str(error), "crash")
        self._chosen = (history, number)
        self.box.layout.display = "flex"

    def clear(self) -> None:
        """Show nothing."""
        self._chosen = None
        self.box.layout.display = "none"

    def _open_notebook(self) -> None:
        if self._chosen is None:
            return
        history, number = self._chosen
        try:
            path = opening.write_executed(history, number)
        except KitError as error:
            self.said.value = pieces.message(str(error), "crash")
        else:
            address = opening.lab_address(history.root, path, opening.own_server())
            self.said.value = pieces.file(path.relative_to(history.root), address)


def _words(history: History, number: int) -> str:
    experiment = history.experiment(number)
    parent = experiment.proposal.parent
    if parent is None:
        return pieces.details(experiment, "")
    old, new = (TrainNotebook.parse(history.source(at)) for at in (parent, number))
    return pieces.details(experiment, cell_diff(old, new)._repr_html_())
