"""The notebook while a model edits it: every edit answers with its diff, or says what to do."""

import difflib
import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from autoresearch_kit.errors import EditError
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.changes import changes
from autoresearch_kit.notebook.diff import cell_diff
from autoresearch_kit.notebook.syntax import parse_cell
from autoresearch_kit.records import CellEdit, Constant, EditAction, Experiment, Verdict
from autoresearch_kit.records.text import one_line
from autoresearch_kit.researchers.base import View
from autoresearch_kit.researchers.duplicates import NEVER_RAN, is_running, tried_before
from autoresearch_kit.researchers.llm import findings
from autoresearch_kit.researchers.llm.probes import Probes
from autoresearch_kit.researchers.llm.quoting import quote

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
DETAIL_LENGTH = 2000
ROOM = findings.Room(4_000, 4_000)
"""For what a run printed, and for the error that ended it."""

NEAREST_LINES = 40


class UnchangedError(EditError):
    """An edit asks for what stands in the notebook already."""


@dataclass(frozen=True)
class Submitted:
    """An idea, and what it changes in the notebook that it is held against."""

    idea: str
    hypothesis: str
    category: str
    edits: tuple[CellEdit, ...]
    constants: Mapping[str, Constant]


class Draft:
    """The notebook of the best, or `start`, as edited so far; no edit is half made."""

    def __init__(
        self,
        view: View,
        history: History,
        start: TrainNotebook | None = None,
        probes: Probes | None = None,
    ) -> None:
        self.notebook = start or view.notebook
        self._start = self.notebook
        self._view = view
        self._history = history
        self._probes = probes

    @property
    def may_probe(self) -> bool:
        """Whether drafts can be probed here at all."""
        return self._probes is not None

    def read_notebook(self) -> str:
        """All code cells."""
        cells = [cell for cell in self.notebook.cells if not cell.markdown]
        return "\n\n".join(
            f"# cell {cell.name} ({'locked' if cell.locked else 'editable'})\n{cell.source}"
            for cell in cells
        )

    def read_cell(self, cell: str) -> str:
        """One cell's source."""
        return self.notebook.cell(cell).source

    def edit_cell(self, cell: str, old: str, new: str) -> str:
        """Put `new` in the place of `old`, which must stand there exactly once."""
        self.notebook.apply([CellEdit(EditAction.REPLACE, cell)])  # raises if it is not editable
        source = self.notebook.cell(cell).source
        if not old:
            raise EditError("'old' is empty; give the text to replace, or use replace_cell")
        count = source.count(old)
        if count == 0:
            raise EditError(f"'old' is not in cell {cell!r}. {_nearest(source, old)}")
        if count > 1:
            raise EditError(
                f"'old' stands {count} times in cell {cell!r}, at lines {_places(source, old)}; "
                "give more of the lines around it, so that it stands there once"
            )
        return self._do(CellEdit(EditAction.REPLACE, cell, source.replace(old, new)))

    def replace_cell(self, cell: str, source: str) -> str:
        """Rewrite a cell."""
        return self._do(CellEdit(EditAction.REPLACE, cell, source.strip("\n")))

    def insert_cell(self, after: str, name: str, source: str) -> str:
        """Add a cell after another one."""
        return self._do(CellEdit(EditAction.INSERT, name, source.strip("\n"), after))

    def delete_cell(self, cell: str) -> str:
        """Remove a cell."""
        return self._do(CellEdit(EditAction.DELETE, cell))

    def set_constants(self, values: Mapping[str, Constant]) -> str:
        """Set constants in `config`."""
        if not values:
            raise EditError("no constants given; write them as NAME: value")
        return self._become(self.notebook.set_constants(values))

    def read_experiment(self, number: int) -> str:
        """What an earlier experiment tried and what came of it."""
        experiment = self._experiment(number)
        loss = findings.loss_line(self._history, experiment)
        return "\n".join(
            [
                *_facts(experiment),
                *findings.run_lines(experiment),
                *([loss] if loss else []),
                *_detail(experiment),
                *findings.said(findings.executed(self._history, experiment), ROOM),
                self._diff(experiment),
            ]
        )

    def read_curve(self, number: int) -> str:
        """The smoothed loss curve of an earlier experiment."""
        return findings.loss_table(self._history, self._experiment(number))

    def probe(self) -> str:
        """Run the draft as it is now for a moment, without a score; what it came to.

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
        """Hand the draft in, once it has passed every check that needs no run."""
        if not idea.strip():
            raise EditError("'idea' is empty; say in one line what is tried")
        if category not in CATEGORIES:
            raise EditError(f"no category {category!r}; choose one of: {', '.join(CATEGORIES)}")
        self.notebook.check(self._view.notebook)
        self._check_mended()
        self._check_new()
        edits, constants = changes(self._view.notebook, self.notebook)
        return Submitted(
            one_line(idea, IDEA_LENGTH),
            one_line(hypothesis, HYPOTHESIS_LENGTH),
            category,
            edits,
            constants,
        )

    def _do(self, edit: CellEdit) -> str:
        return self._become(self.notebook.apply([edit]))

    def _become(self, edited: TrainNotebook) -> str:
        """Make `edited` the draft; returns what differs, and which cells don't parse now."""
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
        """Look whether a repair changed what it began with.

        Raises:
            EditError: it did not.
        """
        if self._start is not self._view.notebook and self.notebook.code() == self._start.code():
            raise EditError("nothing changed: this is the code that crashed; mend it first")

    def _check_new(self) -> None:
        """Look whether this code was tried before, or is being tried.

        Raises:
            EditError: it was; the message says by which experiment, and how that ended.
        """
        one = tried_before(self._view, self.notebook)
        if one is not None:
            raise EditError(
                f"experiment {one.number} was exactly this code: {_outcome(one)}. "
                "Change something else"
            )
        running = self._view.running
        if running is not None and is_running(self._view, self.notebook):
            raise EditError(
                f"experiment {running.number}, which is running now, is exactly this code "
                f"({running.idea}). Change something else"
            )

    def _experiment(self, number: int) -> Experiment:
        """The experiment of this number.

        Raises:
            EditError: there is none; the message says which there are.
        """
        if not 0 <= number < len(self._view.experiments):
            last = len(self._view.experiments) - 1
            raise EditError(f"no experiment {number}; there are: 0 to {last}")
        return self._view.experiments[number]

    def _diff(self, experiment: Experiment) -> str:
        if experiment.proposal.parent is None:
            return "It is the notebook that the campaign began with."
        if experiment.reason in NEVER_RAN:
            return "Its edits were never run."
        old = TrainNotebook.parse(self._history.source(experiment.proposal.parent))
        return str(cell_diff(old, TrainNotebook.parse(self._history.source(experiment.number))))


def _facts(experiment: Experiment) -> list[str]:
    proposal = experiment.proposal
    origin = "" if proposal.parent is None else f", made from {proposal.parent}"
    return [
        f"experiment {experiment.number}{origin}, by {proposal.researcher}",
        f"idea: {proposal.idea}",
        f"hypothesis: {proposal.hypothesis}",
        f"outcome: {_outcome(experiment)}",
    ]


def _detail(experiment: Experiment) -> list[str]:
    """What the verdict says of it, quoted: a crash's is out of its run."""
    return ["detail:", quote(experiment.detail, DETAIL_LENGTH)] if experiment.detail else []


def _outcome(experiment: Experiment) -> str:
    score = "" if experiment.val_bpb is None else f", val_bpb {experiment.val_bpb:.6f}"
    not_judged = experiment.verdict is Verdict.DISTURBED
    said = ", not judged: this says nothing of the idea" if not_judged else ""
    return f"{experiment.verdict} ({experiment.reason}){score}{said}"


def _places(source: str, old: str) -> str:
    """The lines at which `old` begins."""
    places, at = [], source.find(old)
    while at >= 0:
        places.append(str(source.count("\n", 0, at) + 1))
        at = source.find(old, at + 1)
    return ", ".join(places)


def _nearest(source: str, old: str) -> str:
    """The lines of `source` that `old` may have meant."""
    lines, wanted = source.splitlines(), old.strip("\n").splitlines()
    if not lines or not wanted:
        return "Give whole lines of the cell, or use replace_cell"
    size = min(len(wanted), len(lines), NEAREST_LINES)
    at = _most_like(lines, "\n".join(wanted[:size]), size)
    first, last = max(0, at - 1), min(len(lines), at + size + 1)
    return (
        f"The nearest lines are {first + 1} to {last}:\n"
        + "\n".join(lines[first:last])
        + "\nCopy the text exactly, with its indentation"
    )


def _most_like(lines: Sequence[str], wanted: str, size: int) -> int:
    """Where the `size` lines begin that are most like `wanted`; the costly look is for a few."""
    match = difflib.SequenceMatcher(b=wanted, autojunk=False)

    def ratio(at: int, measure: Callable[[], float]) -> float:
        match.set_seq1("\n".join(lines[at : at + size]))
        return measure()

    starts = range(len(lines) - size + 1)
    likely = heapq.nlargest(20, starts, key=lambda at: ratio(at, match.quick_ratio))
    return max(likely, key=lambda at: ratio(at, match.ratio))
