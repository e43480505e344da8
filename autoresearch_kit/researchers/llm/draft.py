"""The notebook while a model edits it: every edit answers with its diff, or says what to do."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from autoresearch_kit.errors import EditError, ExecutionError
from autoresearch_kit.execution.probed import Probed
from autoresearch_kit.history import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.changes import changes
from autoresearch_kit.notebook.diff import cell_diff
from autoresearch_kit.notebook.syntax import parse_cell
from autoresearch_kit.records import CellEdit, Constant, EditAction
from autoresearch_kit.researchers.base import View
from autoresearch_kit.researchers.duplicates import is_running, tried_before
from autoresearch_kit.researchers.llm import findings
from autoresearch_kit.text import one_line

CATEGORIES = (
    "architecture",
    "optimizer",
    "schedule",
    "data",
    "constants",
    "simplification",
    "other",
)
IDEA_LENGTH = 120
HYPOTHESIS_LENGTH = 1000
NUMBER_LENGTH = 9
"""Digits of an experiment's number; no campaign has a longer one."""


NEAREST_LINES = 40
"""Lines of a cell that are shown at most where the text to replace is not in it."""


class UnchangedError(EditError):
    """An edit asks for what the notebook says already."""


class ProbeFailedError(EditError):
    """A probe crashed, or could not be made; the message is all that is said of it."""


@dataclass(frozen=True)
class Submitted:
    """An idea, and what it changes in the best's notebook."""

    idea: str
    hypothesis: str
    category: str
    edits: tuple[CellEdit, ...]
    constants: Mapping[str, Constant]


@dataclass
class Probes:
    """At most `most` probes of drafts; `run` makes one, once the device is free."""

    run: Callable[[TrainNotebook], Probed]
    most: int
    made: int = 0

    def probe(self, notebook: TrainNotebook) -> str:
        """Run the draft; return what the model is told of it.

        Raises:
            EditError: no probe is left.
            ProbeFailedError: it crashed, or could not be made.
        """
        if self.made >= self.most:
            raise EditError("no probe is left; go on without one, and submit")
        self.made += 1
        left = f"{self.most - self.made} of {self.most} probes left"
        try:
            probed = self.run(notebook)
        except ExecutionError as error:
            raise ProbeFailedError(f"the probe could not be made: {error}\n{left}") from error
        said = f"{findings.describe_probe(probed)}\n{left}"
        if probed.run.failure:
            raise ProbeFailedError(said)
        return said


class Draft:
    """The best's notebook, or `start`, as edited so far; an edit is made whole or not at all.

    `idea` is that of the last submit, empty before the first.
    """

    def __init__(
        self,
        view: View,
        history: History,
        start: TrainNotebook | None = None,
        probes: Probes | None = None,
    ) -> None:
        self.notebook = start or view.notebook
        self.idea = ""
        self._start = self.notebook
        self._view = view
        self._history = history
        self._probes = probes

    @property
    def may_probe(self) -> bool:
        """True if drafts can be probed here at all."""
        return self._probes is not None

    def read(self, what: str) -> str:
        """Return all code cells for "notebook", an experiment for a number, else a cell's source.

        Raises:
            EditError: there is no such cell or experiment; the message says what there is.
        """
        if what == "notebook":
            cells = [cell for cell in self.notebook.cells if not cell.markdown]
            return "\n\n".join(
                f"# cell {cell.name} ({'locked' if cell.locked else 'editable'})\n{cell.source}"
                for cell in cells
            )
        if what.isdecimal():
            return self._read_experiment(what)
        return self.notebook.cell(what).source

    def edit_cell(self, cell: str, old: str, new: str) -> str:
        """Replace `old`, which must be in the cell exactly once, by `new`; return the diff.

        Raises:
            EditError: the cell is not editable, or `old` is not there once.
        """
        self.notebook.apply([CellEdit(EditAction.REPLACE, cell)])  # raises if it is not editable
        source = self.notebook.cell(cell).source
        if not old:
            raise EditError("'old' is empty; give the text to replace, or use write_cell")
        count = source.count(old)
        if count == 0:
            raise EditError(f"'old' is not in cell {cell!r}. {_nearest(source, old)}")
        if count > 1:
            lines = [str(before.count("\n") + 1) for before in _texts_before(source, old)]
            raise EditError(
                f"'old' is {count} times in cell {cell!r}, at lines {', '.join(lines)}; give more "
                "of the lines around it, so that it is there once"
            )
        return self._apply(CellEdit(EditAction.REPLACE, cell, source.replace(old, new)))

    def write_cell(self, cell: str, source: str, after: str) -> str:
        """Rewrite a cell, or remove it for an empty source, or add it after another; return the
        diff.

        Raises:
            EditError: the cell is not editable, or can't be added there.
        """
        if after:
            return self._apply(CellEdit(EditAction.INSERT, cell, source.strip("\n"), after))
        if not source.strip():
            return self._apply(CellEdit(EditAction.DELETE, cell))
        return self._apply(CellEdit(EditAction.REPLACE, cell, source.strip("\n")))

    def set_constants(self, values: Mapping[str, Constant]) -> str:
        """Set constants in `config`; return the diff.

        Raises:
            EditError: none are given, or one is not there, or is of another type.
        """
        if not values:
            raise EditError("no constants given; write them as NAME: value")
        return self._become(self.notebook.set_constants(values))

    def probe(self) -> str:
        """Run the draft as it is now for a moment, without a score; return what it came to.

        Raises:
            EditError: it would not run, or no probe is left.
            ProbeFailedError: it crashed, or could not be made.
        """
        if self._probes is None:
            raise EditError("there are no probes here; submit when the draft is ready")
        changed = self.notebook.code() != self._view.notebook.code()
        self.notebook.check(self._view.notebook if changed else None)
        return self._probes.probe(self.notebook)

    def submit(self, idea: str, hypothesis: str, category: str) -> Submitted:
        """Hand the draft in, once it has passed every check that needs no run.

        Raises:
            EditError: a check failed; the message says what to mend.
        """
        self.idea = one_line(idea, IDEA_LENGTH)
        if not self.idea:
            raise EditError("'idea' is empty; say in one line what is tried")
        if category not in CATEGORIES:
            raise EditError(f"no category {category!r}; choose one of: {', '.join(CATEGORIES)}")
        self.notebook.check(self._view.notebook)
        self._check_mended()
        self._check_new()
        edits, constants = changes(self._view.notebook, self.notebook)
        hypothesis = one_line(hypothesis, HYPOTHESIS_LENGTH)
        return Submitted(self.idea, hypothesis, category, edits, constants)

    def _apply(self, edit: CellEdit) -> str:
        return self._become(self.notebook.apply([edit]))

    def _become(self, edited: TrainNotebook) -> str:
        """Make `edited` the draft; return what differs, and which cells don't parse now."""
        diff = cell_diff(self.notebook, edited)
        if not diff:
            raise UnchangedError("this changes nothing: the notebook reads so already")
        self.notebook = edited
        notes = [note for name in edited.editable if (note := self._syntax(name))]
        return "\n\n".join([str(diff), *notes])

    def _syntax(self, name: str) -> str:
        try:
            parse_cell(name, self.notebook.cell(name).source)
        except EditError as error:
            return f"mend this before you submit: {error}"
        return ""

    def _check_mended(self) -> None:
        """Raise EditError if a repair has not changed the code that it began with."""
        if self._start is not self._view.notebook and self.notebook.code() == self._start.code():
            raise EditError("nothing changed: this is the code that crashed; mend it first")

    def _check_new(self) -> None:
        """Raise EditError if this code was tried before, or is being tried."""
        known = tried_before(self._view, self.notebook)
        if known is not None:
            raise EditError(
                f"experiment {known.number} was exactly this code: {findings.outcome(known)}. "
                "Change something else"
            )
        running = self._view.running
        if running is not None and is_running(self._view, self.notebook):
            raise EditError(
                f"experiment {running.number}, which is running now, is exactly this code "
                f"({running.idea}). Change something else"
            )

    def _read_experiment(self, number: str) -> str:
        known = {e.number: e for e in self._view.experiments}
        experiment = known.get(int(number)) if len(number) <= NUMBER_LENGTH else None
        if experiment is None:
            raise EditError(f"no experiment {number[:20]}; there are: 0 to {max(known)}")
        return findings.describe_experiment(self._history, experiment)


def _texts_before(source: str, old: str) -> list[str]:
    """Return what is before each place at which `old` is, also where these overlap."""
    return [source[:at] for at in range(len(source)) if source.startswith(old, at)]


def _nearest(source: str, old: str) -> str:
    """Return the lines of `source` around the one that is most like the first line of `old`."""
    lines, wanted = source.splitlines(), old.strip("\n").splitlines()
    like = difflib.get_close_matches(wanted[0], lines, n=1, cutoff=0.0) if wanted else []
    if not like:
        return "Give whole lines of the cell, or use write_cell"
    at = lines.index(like[0])
    first, last = max(0, at - 1), min(len(lines), at + min(len(wanted), NEAREST_LINES) + 1)
    return (
        f"The nearest lines are {first + 1} to {last}:\n"
        + "\n".join(lines[first:last])
        + "\nCopy the text exactly, with its indentation"
    )
