"""An editor for program.md in a notebook."""

from pathlib import Path

import ipywidgets as widgets
from IPython.display import display

from autoresearch_kit.errors import InputError
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.bounded import MEGABYTE, read_all
from autoresearch_kit.ledger import find_root
from autoresearch_kit.researchers.llm.prompt import directive_file
from autoresearch_kit.ui.panel import html
from autoresearch_kit.ui.panel.buttons import button
from autoresearch_kit.ui.panel.style import CSS

LIMIT = MEGABYTE  # bytes that a text box on a page can hold


class Directive:
    """A text box with the program.md of the project at `root`, or of the current folder.

    `task` is a task's folder in the project, whose own program.md is shown where it has one.

    A language model reads program.md before each proposal, so changes count from the next one on.

    Raises:
        InputError: the project has no program.md, or it is not text, or too long.
    """

    def __init__(self, root: Path | None = None, task: str = "") -> None:
        self.path = directive_file(root or find_root(Path.cwd()), task)
        self._loaded = self._read()
        layout = widgets.Layout(width="99%", height="340px")
        self.text = widgets.Textarea(self._loaded, layout=layout)
        self.save = button("Save program.md", self._save)
        self.reload = button("Read it again", self._reload)
        self.said = widgets.HTML()
        buttons = widgets.HBox([self.save, self.reload, self.said])
        self.box = widgets.VBox([widgets.HTML(CSS), self.text, buttons])

    def _ipython_display_(self) -> None:
        display(self.box)

    def _read(self) -> str:
        try:
            return read_all(self.path, LIMIT).decode()
        except UnicodeDecodeError as error:
            raise InputError(f"{self.path} is no text: {error}") from error
        except FileNotFoundError as error:
            raise InputError(
                f"no {self.path.name} in {self.path.parent}; copy it from a checkout of "
                "autoresearch_kit"
            ) from error

    def _save(self) -> None:
        """Save the text, unless the file has been changed by somebody else."""
        if self._read() != self._loaded:
            words = "program.md has changed on disk since it was read; read it again first"
            self.said.value = html.message(words, "crash")
            return
        write_atomic(self.path, self.text.value.encode())
        self._loaded = self.text.value
        self.said.value = html.message("saved; the next proposal follows it", "keep")

    def _reload(self) -> None:
        self._loaded = self.text.value = self._read()
        self.said.value = html.message("read from disk")
