"""Decide ideas: make the notebook of each, and run it as often as its verdict needs.

An idea is compared with its own base, the best that it was built on. With one slot that is the best
of now. With several another idea may have been kept meanwhile: what passed is then merged onto the
best of now, and its merged code is run with fresh seeds, since scores of different code are never
pooled.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from autoresearch_kit.campaign.comparing import Comparing
from autoresearch_kit.campaign.judging import Idea
from autoresearch_kit.campaign.measuring import Measuring
from autoresearch_kit.campaign.orders import Steps, together, until
from autoresearch_kit.campaign.outcome import Outcome
from autoresearch_kit.errors import EditError
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.runner import crash_report
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import (
    Attempt,
    Experiment,
    Profiled,
    Proposal,
    Reason,
    Verdict,
    best_of,
)
from autoresearch_kit.researchers.rebase import rebase
from autoresearch_kit.verdicts import repeats
from autoresearch_kit.verdicts.decide import Decision
from autoresearch_kit.verdicts.repeats import SeedOutcome
from autoresearch_kit.verdicts.robust_sigma import Group
from autoresearch_kit.verdicts.runs_by_code import BASELINE

REPAIRS = 1  # crashes on a bug that are repaired; the next crash ends the idea

BUGS = (
    Reason.ERROR, Reason.EXITED, Reason.NO_SUBMISSION, Reason.UNPICKLABLE,
    Reason.BAD_SUBMISSION,
)  # fmt: skip
"""Crashes that a bug of the code causes, not its use of memory or time, nor what it learnt."""


MOST_BASELINE = 16  # the most runs of the baseline that are made to know whether slots are alike


@dataclass(frozen=True)
class Decider:
    """Runs ideas until each has a verdict, in a campaign with these experiments.

    They grow while ideas are run: other ideas may be decided meanwhile. `slots` returns how many
    runs can be under way at once. `profile` starts to profile what is kept, and `carry_over` asks
    an idea's researcher for it on the best of now; both return None where that can't be done.
    """

    measuring: Measuring
    history: History
    experiments: Sequence[Experiment]
    slots: Callable[[], int] = lambda: 1
    profile: Callable[[int, TrainNotebook], Future[Profiled | None] | None] = lambda *_: None
    carry_over: Callable[[Proposal], Future[Proposal | None] | None] = lambda _: None

    @property
    def _comparing(self) -> Comparing:
        return Comparing(self.measuring, self.history, self.experiments, self.slots)

    def decide(self, proposal: Proposal) -> Steps[Outcome]:
        """Make the proposal's notebook; run it, and the best, until there is a verdict.

        What is kept is audited.

        Raises:
            Cancelled: a person asked to stop at once; the proposal, and the runs that are over,
                stay written down.
            KitError: the kit failed, and no edit can have caused that.
        """
        notebook, problem = self._notebook_of(proposal)
        if problem:
            crash = Decision(Verdict.CRASH, Reason.INVALID_EDIT, problem)
            return Outcome(proposal, notebook, crash)
        base = self._base_of(proposal)
        if base is None:
            outcome = yield from self._baseline(proposal, notebook)
        else:
            outcome = yield from self._comparing.compare(Idea(proposal, notebook), base)
        while outcome.decision.verdict is Verdict.KEEP:
            outcome = yield from self._completed(outcome)
            best = best_of(self.experiments)
            beside = outcome.decision.reason is Reason.TRADE_OFF  # it replaces no best
            if beside or best is None or best.number == outcome.against:
                break
            # it takes a keep of another idea to come here again, so that this ends
            outcome = yield from self._merged(outcome, best)
        return outcome

    def bug_of(self, outcome: Outcome) -> Proposal | None:
        """Return the proposal with the crash of its first run as an attempt, to be repaired.

        None if it did not crash in its first run, or on no bug, or was repaired often enough. What
        passed before it was merged is not repaired: its runs would be forgotten.
        """
        proposal, seeds = outcome.proposal, outcome.own
        crashed = len(seeds) == 1 and seeds[0].run.failure in BUGS
        if not crashed or outcome.passed or len(proposal.attempts) >= REPAIRS:
            return None
        folder = self.measuring.workspace.runs / seeds[0].chosen.folder
        executed = crash_report.read_executed(folder / handover.EXECUTED_FILE)
        attempt = Attempt(
            proposal.edits,
            proposal.constants,
            seeds[0].run,
            crash_report.error_in(executed),
            proposal.idea,
            proposal.hypothesis,
        )
        return replace(proposal, attempts=(*proposal.attempts, attempt))

    def _notebook_of(self, proposal: Proposal) -> tuple[TrainNotebook, str]:
        """Return the proposal's notebook; or its parent's, and why there is nothing to run."""
        baseline = self.measuring.context.baseline
        if proposal.parent is None:
            return baseline, ""
        parent = TrainNotebook.parse(self.history.source(proposal.parent))
        if proposal.failure:
            return parent, proposal.failure
        try:
            edited = parent.apply(proposal.edits, proposal.constants).relocked(baseline)
            edited.check(parent)
        except EditError as error:
            return parent, str(error)
        return edited, ""

    def _base_of(self, proposal: Proposal) -> Experiment | None:
        """Return the kept experiment that it is held against; None for the baseline.

        The one that it is built on, if that was the best when it was kept, else the best.
        """
        parents = [each for each in self.experiments if each.number == proposal.parent]
        kept = (each for each in parents if each.kept and each.reason is not Reason.TRADE_OFF)
        return next(kept, best_of(self.experiments))

    def _baseline(self, proposal: Proposal, notebook: TrainNotebook) -> Steps[Outcome]:
        """Run the baseline with several seeds, since all later experiments are compared with it.

        Each slot runs it once, up to `MOST_BASELINE`, so that it is known whether they are alike.
        """
        series = self._comparing.own_series(proposal, notebook)
        seeds = max(self.measuring.context.settings.seeds, min(self.slots(), MOST_BASELINE))
        own = list[SeedOutcome]()
        while not (ended := repeats.ended(own)) and len(own) < seeds:
            more = range(len(own), seeds if self.slots() > 1 else len(own) + 1)
            before = [seed.run for seed in own]
            over = yield from together([self.measuring.measure(series, at, before) for at in more])
            own = yield from self.measuring.repeat_slow(series, [*own, *over.values()])
        if ended:
            return Outcome(proposal, notebook, ended, tuple(own))
        detail = "every later experiment is compared with it"
        decision = Decision(Verdict.KEEP, Reason.BASELINE, detail)
        metric = self.measuring.context.settings.task.objective
        scores = repeats.scores(own, metric)
        measured_noise = self._comparing.judging.noise(metric, Group(BASELINE, scores))
        return Outcome(proposal, notebook, decision, tuple(own), noise=measured_noise)

    def _completed(self, outcome: Outcome) -> Steps[Outcome]:
        """Audit and profile an idea that is to be kept."""
        first, *others = outcome.own
        audited = yield from self.measuring.audit(first, outcome.notebook)
        outcome = replace(outcome, own=(audited, *others))
        profiling = self.profile(outcome.proposal.number, outcome.notebook)
        if profiling is None:
            return outcome
        yield from until(profiling.done)
        return replace(outcome, profiled=profiling.result())

    def _merged(self, outcome: Outcome, best: Experiment) -> Steps[Outcome]:
        """Merge what passed onto the best of now, and compare the merged code with that."""
        proposal, passed = outcome.proposal, (*outcome.passed, outcome)
        old = TrainNotebook.parse(self.history.source(_parent(proposal)))
        new = TrainNotebook.parse(self.history.source(best.number))
        moved = rebase(proposal, old, new, best.number)
        if moved is None and (asked := self.carry_over(proposal)) is not None:
            yield from until(asked.done)
            moved = asked.result()
        why = f"better than {outcome.against} ({outcome.decision.detail})"
        if moved is None:
            detail = f"{why}, but its edits conflict with those of {best.number}, kept meanwhile"
            return replace(outcome, decision=Decision(Verdict.DISCARD, Reason.CONFLICT, detail))
        notebook = new.apply(moved.edits, moved.constants).relocked(new)
        if notebook.text() == new.text():
            detail = f"{why}, but {best.number}, kept meanwhile, already has its edits"
            return replace(outcome, decision=Decision(Verdict.DISCARD, Reason.CONFLICT, detail))
        return (yield from self._comparing.compare(Idea(moved, notebook, passed), best))


def _parent(proposal: Proposal) -> int:
    if proposal.parent is None:
        raise ValueError("the baseline has no parent")
    return proposal.parent
