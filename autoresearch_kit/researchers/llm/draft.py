"""The notebook while a model edits it: from the first edit to the proposal that is submitted."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from autoresearch_kit.errors import EditError, ExecutionError
from autoresearch_kit.execution.probed import Probed
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.changes import cell_diff, changes
from autoresearch_kit.notebook.syntax import parse_cell
from autoresearch_kit.records import Proposal
from autoresearch_kit.records.proposals import HYPOTHESIS_LENGTH, IDEA_LENGTH
from autoresearch_kit.records.text import one_line
from autoresearch_kit.researchers.base import View
from autoresearch_kit.researchers.duplicates import in_flight_with, tried_before
from autoresearch_kit.researchers.llm import findings

CATEGORIES = (
    "architecture", "optimizer", "schedule", "data", "constants", "simplification", "other",
)  # fmt: skip


class UnchangedError(EditError):
    """An edit asks for what the notebook says already."""


class ProbeFailedError(EditError):
    """A probe crashed, or could not be made; the message is all that is said of it."""


@dataclass
class Probes:
    """At most `most` probes of drafts; `run` makes one, once the device is free."""

    run: Callable[[TrainNotebook], Probed]
    most: int
    made: int = 0


@dataclass
class Draft:
    """The notebook `start` as edited so far, for experiment `view.number` of the campaign.

    `proposal` is what becomes of it: a submit fills in the words, and the edits of the best.
    """

    view: View
    history: History
    proposal: Proposal
    start: TrainNotebook
    probes: Probes | None = None

    def __post_init__(self) -> None:
        self.notebook = self.start

    def become(self, edited: TrainNotebook) -> str:
        """Make an edit; return what differs, and which cells don't parse now.

        Raises:
            UnchangedError: it changes nothing.
        """
        diff = cell_diff(self.notebook, edited)
        if not diff:
            raise UnchangedError("this changes nothing: the notebook reads so already")
        self.notebook = edited
        said = [str(diff)]
        for name in edited.editable:
            try:
                parse_cell(name, edited.cell(name).source)
            except EditError as error:  # made all the same: the next edit may mend it
                said.append(f"mend this before you submit: {error}")
        return "\n\n".join(said)

    def probe(self) -> str:
        """Run the draft as it is now for a moment, without a score; return what it came to.

        Raises:
            EditError: it would not run, or no probe is left.
            ProbeFailedError: it crashed, or could not be made.
        """
        probes = self.probes
        if probes is None:
            raise EditError("there are no probes here; submit when the draft is ready")
        changed = self.notebook.code() != self.view.notebook.code()
        self.notebook.check(self.view.notebook if changed else None)
        if probes.made >= probes.most:
            raise EditError("no probe is left; go on without one, and submit")
        probes.made += 1
        left = f"{probes.most - probes.made} of {probes.most} probes left"
        try:
            probed = probes.run(self.notebook)
        except ExecutionError as error:
            raise ProbeFailedError(f"the probe could not be made: {error}\n{left}") from error
        task = self.view.experiments[0].settings.task
        said = f"{findings.describe_probe(probed, task)}\n{left}"
        if probed.run.failure:
            raise ProbeFailedError(said)
        return said

    def submit(self, idea: str, hypothesis: str, category: str) -> Proposal:
        """Return the draft as a proposal, once it has passed every check that needs no run.

        Raises:
            EditError: a check failed; the message says what to mend.
        """
        idea = one_line(idea, IDEA_LENGTH)
        if not idea:
            raise EditError("'idea' is empty; say in one line what is tried")
        self.proposal = replace(self.proposal, idea=idea)
        if category not in CATEGORIES:
            raise EditError(f"no category {category!r}; choose one of: {', '.join(CATEGORIES)}")
        self.notebook.check(self.view.notebook)
        if self.start is not self.view.notebook and self.notebook.code() == self.start.code():
            raise EditError("nothing changed: this is the code that crashed; mend it first")
        self._check_new()
        edits, constants = changes(self.view.notebook, self.notebook)
        return replace(
            self.proposal,
            hypothesis=one_line(hypothesis, HYPOTHESIS_LENGTH),
            category=category,
            edits=edits,
            constants=constants,
        )

    def give_up(self, reason: str) -> Proposal:
        """Return the proposal as one that failed, with the idea of the last submit, if any."""
        return replace(self.proposal, failure=reason)

    def _check_new(self) -> None:
        """Raise EditError if this code was tried before, or is being tried."""
        known = tried_before(self.view, self.notebook)
        if known is not None:
            raise EditError(
                f"experiment {known.number} was exactly this code: {findings.outcome(known)}. "
                "Change something else"
            )
        other = in_flight_with(self.view, self.notebook, self.history)
        if other is not None:
            now = "running now" if other in self.view.running else "prepared already"
            raise EditError(
                f"experiment {other.number}, which is {now}, is exactly this code ({other.idea}). "
                "Change something else"
            )
