"""The notebook while a model edits it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from autoresearch_kit.errors import EditError, ExecutionError
from autoresearch_kit.execution.probed import Probed
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.changes import changes
from autoresearch_kit.notebook.diff import cell_diff
from autoresearch_kit.notebook.syntax import parse_cell
from autoresearch_kit.records import CellEdit, Constant
from autoresearch_kit.records.text import one_line
from autoresearch_kit.researchers.base import View
from autoresearch_kit.researchers.duplicates import running_with, tried_before
from autoresearch_kit.researchers.llm import findings

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

    def read_experiment(self, number: int) -> str:
        """Return all that git has of an experiment.

        Raises:
            EditError: there is none of this number.
        """
        numbers = [experiment.number for experiment in self._view.experiments]
        if number not in numbers:
            raise EditError(f"no experiment {number}; there are: 0 to {max(numbers)}")
        return findings.describe_experiment(self._history, self._view.experiment(number))

    def apply(self, edit: CellEdit) -> str:
        """Make an edit; return what differs, and which cells don't parse now.

        Raises:
            EditError: it does not fit the notebook.
            UnchangedError: it changes nothing.
        """
        return self._become(self.notebook.apply([edit]))

    def set_constants(self, values: Mapping[str, Constant]) -> str:
        """Set constants in `config`; return what differs.

        Raises:
            EditError: one is not there, or is of another type.
            UnchangedError: they have these values.
        """
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
        if self._start is not self._view.notebook and self.notebook.code() == self._start.code():
            raise EditError("nothing changed: this is the code that crashed; mend it first")
        self._check_new()
        edits, constants = changes(self._view.notebook, self.notebook)
        hypothesis = one_line(hypothesis, HYPOTHESIS_LENGTH)
        return Submitted(self.idea, hypothesis, category, edits, constants)

    def _become(self, edited: TrainNotebook) -> str:
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

    def _check_new(self) -> None:
        """Raise EditError if this code was tried before, or is being tried."""
        known = tried_before(self._view, self.notebook)
        if known is not None:
            raise EditError(
                f"experiment {known.number} was exactly this code: {findings.outcome(known)}. "
                "Change something else"
            )
        running = running_with(self._view, self.notebook)
        if running is not None:
            raise EditError(
                f"experiment {running.number}, which is running now, is exactly this code "
                f"({running.idea}). Change something else"
            )
