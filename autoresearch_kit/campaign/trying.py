"""One proposal, tried: its notebook is made, run and scored; a bug goes back to be mended."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from autoresearch_kit.campaign.measuring import Measuring
from autoresearch_kit.errors import EditError, KitError
from autoresearch_kit.execution.runner import crash_report
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Arm, Attempt, Experiment, Proposal, Reason
from autoresearch_kit.verdicts.repeats import Settled

REPAIRS = 1
"""How often an idea may crash on a bug and be mended; the next crash is its end."""

BUGS = (
    Reason.ERROR,
    Reason.EXITED,
    Reason.NO_SUBMISSION,
    Reason.UNPICKLABLE,
    Reason.BAD_SUBMISSION,
)
"""Crashes whose cause is the code, not its appetite for memory or time, nor what it learnt."""

KIT_FAILURES = 3
"""Experiments in a row that the kit fails before the campaign takes it for the machine's fault."""

Repair = Callable[[Proposal], Proposal | None]


@dataclass(frozen=True)
class Tried:
    """What came of a proposal's first run. Without one, `problem` says why nothing could be run.

    `notebook` is then that of its parent. The proposal has the attempts that were mended.
    """

    proposal: Proposal
    notebook: TrainNotebook
    first: Settled | None
    problem: str = ""


def check_kit(experiments: Sequence[Experiment]) -> None:
    """Check that not all of the last experiments, of these, failed by the kit.

    Raises:
        KitError: `KIT_FAILURES` in a row did.
    """
    last = experiments[-KIT_FAILURES:]
    if len(last) == KIT_FAILURES and all(one.reason is Reason.KIT_FAILED for one in last):
        raise KitError(
            f"{KIT_FAILURES} experiments in a row could not be run, which no edit should bring "
            f"about: {last[-1].detail}"
        )


@dataclass(frozen=True)
class Bench:
    """Where proposals are tried."""

    measuring: Measuring
    history: History

    def try_out(self, proposal: Proposal, repair: Repair) -> Tried:
        """Run and score a proposal; if it crashes on a bug, have it mended once and run again.

        Raises:
            Cancelled: a person asked to stop at once; the proposal stays written down.
            KitError: the kit failed, and no edit can have brought that about.
        """
        parent = self._parent(proposal)
        if proposal.failure:
            return Tried(proposal, parent, None, proposal.failure)
        while True:
            try:
                notebook = self._edited(parent, proposal)
            except EditError as error:
                return Tried(proposal, parent, None, str(error))
            first = self.measuring.measure(proposal.number, Arm.CHALLENGER, 0, notebook)
            mended = self._mended(proposal, first, repair)
            if mended is None:
                return Tried(proposal, notebook, first)
            proposal = mended
            self.measuring.workspace.write_pending(proposal)
            self.measuring.pulse.mended(proposal.idea)

    def _parent(self, proposal: Proposal) -> TrainNotebook:
        if proposal.parent is None:
            return self.measuring.ground.baseline
        return TrainNotebook.parse(self.history.source(proposal.parent))

    def _edited(self, parent: TrainNotebook, proposal: Proposal) -> TrainNotebook:
        if proposal.parent is None:
            return parent
        edited = parent.apply(proposal.edits, proposal.constants)
        edited = edited.relocked(self.measuring.ground.baseline)
        edited.check(parent)
        return edited

    def _mended(self, proposal: Proposal, first: Settled, repair: Repair) -> Proposal | None:
        """Return the proposal with its bug mended; None if it was none, or the second crash."""
        if first.run.failure not in BUGS or len(proposal.attempts) >= REPAIRS:
            return None
        traceback = crash_report.error_in(
            crash_report.read_executed(self.measuring.executed(first.counts))
        )
        attempt = Attempt(
            proposal.edits,
            proposal.constants,
            first.run,
            traceback,
            proposal.idea,
            proposal.hypothesis,
        )
        self.measuring.pulse.mending(first.run.detail)
        return repair(replace(proposal, attempts=(*proposal.attempts, attempt)))
