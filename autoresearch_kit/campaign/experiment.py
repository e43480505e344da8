"""One idea until it is decided: its notebook is made, then run as often as its verdict needs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from autoresearch_kit.campaign.measuring import Measuring
from autoresearch_kit.campaign.orders import Steps
from autoresearch_kit.errors import EditError
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.runner import crash_report
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import (
    Arm,
    Attempt,
    Experiment,
    Measured,
    Noise,
    Proposal,
    Reason,
    Run,
    Verdict,
    best_of,
)
from autoresearch_kit.verdicts import decide, noise, repeats
from autoresearch_kit.verdicts.decide import Best, Decision, Sample
from autoresearch_kit.verdicts.noise import BASELINE, Group
from autoresearch_kit.verdicts.repeats import Settled
from autoresearch_kit.verdicts.validity import as_fast

REPAIRS = 1
"""Crashes on a bug that are repaired; the next crash ends the idea."""

BUGS = (
    Reason.ERROR,
    Reason.EXITED,
    Reason.NO_SUBMISSION,
    Reason.UNPICKLABLE,
    Reason.BAD_SUBMISSION,
)
"""Crashes that a bug of the code causes, not its use of memory or time, nor what it learnt."""


@dataclass(frozen=True)
class Outcome:
    """An idea decided: the verdict, the noise behind it, its runs, and the best's runs beside.

    `against` is the number of that best; None for the baseline, and where nothing was run.
    """

    proposal: Proposal
    notebook: TrainNotebook
    decision: Decision
    own: tuple[Settled, ...] = ()
    best_runs: tuple[Settled, ...] = ()
    noise: Noise | None = None
    against: int | None = None

    def counting(self) -> list[Measured]:
        """Return the idea's runs that count."""
        return [seed.chosen for seed in self.own if not seed.disturbed]

    def best_counting(self) -> list[Measured]:
        """Return the best's runs that count."""
        return [seed.chosen for seed in self.best_runs if not seed.disturbed]

    def set_aside(self) -> list[Measured]:
        """Return the runs that were disturbed, which decide nothing."""
        seeds = (*self.own, *self.best_runs)
        stayed = [seed.chosen for seed in seeds if seed.disturbed]
        return [*(measured for seed in seeds for measured in seed.set_aside), *stayed]

    def disturbed_folders(self) -> set[str]:
        """Return the folders of all runs with a seed that stayed disturbed, by name."""
        stayed = [seed for seed in (*self.own, *self.best_runs) if seed.disturbed]
        return {run.folder for seed in stayed for run in (seed.chosen, *seed.set_aside)}


@dataclass(frozen=True)
class Decider:
    """Runs ideas until each has a verdict, in a campaign with these experiments.

    They grow while ideas are run: other ideas may be decided meanwhile.
    """

    measuring: Measuring
    history: History
    experiments: Sequence[Experiment]

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
        first = yield from self.measuring.measure(proposal.number, Arm.CHALLENGER, 0, notebook)
        while True:
            best = best_of(self.experiments)
            if best is None:
                outcome = yield from self._baseline(proposal, notebook, [first])
            else:
                outcome = yield from self._against_best(proposal, notebook, [first], best)
            if outcome.decision.verdict is not Verdict.KEEP:
                return outcome
            kept, *others = outcome.own
            audited = yield from self.measuring.audit(kept, notebook)
            # a keep must be better than the best of now: another idea may have been kept meanwhile
            if best_of(self.experiments) is best:
                return replace(outcome, own=(audited, *others))

    def bug_of(self, outcome: Outcome) -> Proposal | None:
        """Return the proposal with the crash of its first run as an attempt, to be repaired.

        None if it did not crash in its first run, or on no bug, or was repaired often enough.
        """
        proposal, seeds = outcome.proposal, outcome.own
        crashed = len(seeds) == 1 and seeds[0].run.failure in BUGS
        if not crashed or len(proposal.attempts) >= REPAIRS:
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

    def _baseline(
        self, proposal: Proposal, notebook: TrainNotebook, own: list[Settled]
    ) -> Steps[Outcome]:
        """Run it with several seeds, since all that follow are compared with it."""
        seeds = self.measuring.context.settings.seeds
        while not (ended := repeats.ended(own)) and len(own) < seeds:
            own = yield from self._once_more(BASELINE, Arm.CHALLENGER, own, notebook)
        if ended:
            return Outcome(proposal, notebook, ended, tuple(own))
        detail = "every later experiment is compared with it"
        decision = Decision(Verdict.KEEP, Reason.BASELINE, detail)
        measured_noise = self._noise(Group(BASELINE, repeats.scores(own)))
        return Outcome(proposal, notebook, decision, tuple(own), noise=measured_noise)

    def _against_best(
        self, proposal: Proposal, notebook: TrainNotebook, own: list[Settled], best: Experiment
    ) -> Steps[Outcome]:
        """Run the idea and the best in turn, as often as the verdict needs."""
        number, nodes, beside = proposal.number, notebook.nodes(), list[Settled]()
        measured_noise = None
        while not (ended := repeats.ended(own) or repeats.not_judged(beside, "re-run of the best")):
            decided, measured_noise = self._decided(number, nodes, own, best, beside)
            if isinstance(decided, Decision):
                ended = decided
                break
            if decided is Arm.BEST and not repeats.ended(beside):
                code = TrainNotebook.parse(self.history.source(best.number))
                beside = yield from self._once_more(number, Arm.BEST, beside, code, best)
            else:
                own = yield from self._once_more(number, Arm.CHALLENGER, own, notebook)
            measured_noise = None  # a crash or a disturbed run is not held against noise
        runs = tuple(own), tuple(beside)
        return Outcome(proposal, notebook, ended, *runs, measured_noise, best.number)

    def _decided(
        self,
        number: int,
        nodes: int,
        own: Sequence[Settled],
        best: Experiment,
        beside: Sequence[Settled],
    ) -> tuple[Decision | Arm, Noise]:
        """Return the decision, or whose code to run once more; and the noise behind it."""
        scores, best_scores = repeats.scores(own), repeats.scores(beside)
        # the idea's first run is not noise: the idea was picked by it
        measured_noise = self._noise(Group(number, scores[1:]), Group(best.number, best_scores))
        settings = self.measuring.context.settings
        how = measured_noise.sigma, settings, self.measuring.usual
        challenger = Sample(scores, nodes, claimed=repeats.claimed(own, *how))
        champion = Best(
            noise.scores_of(self._runs_before(best, beside)),
            best.nodes,
            best_scores,
            decide.possible_losses(self.experiments),
            claimed=repeats.claimed(beside, *how),
        )
        return decide.decide(challenger, champion, measured_noise, settings.rule), measured_noise

    def _once_more(
        self,
        number: int,
        arm: Arm,
        seeds: Sequence[Settled],
        notebook: TrainNotebook,
        best: Experiment | None = None,
    ) -> Steps[list[Settled]]:
        """Run a code with one more seed; it is the best's where `best` is given."""
        before = [*self._runs_before(best, seeds), *(seed.run for seed in seeds)]
        more = yield from self.measuring.measure(number, arm, len(seeds), notebook, before)
        seeds = [*seeds, more]
        before = self._runs_before(best, seeds)
        return (yield from self.measuring.repeat_slow(number, arm, seeds, notebook, before))

    def _runs_before(self, best: Experiment | None, beside: Sequence[Settled]) -> list[Run]:
        """Return the best's runs of earlier experiments that were as fast as those made now."""
        if best is None:
            return []
        now = [seed.run for seed in beside if not seed.disturbed]
        return as_fast(noise.runs_by_code(self.experiments)[best.number], now)

    def _noise(self, *groups: Group) -> Noise:
        """Pool the noise of all runs that were made together, with these groups added."""
        known = [*noise.groups_of(self.experiments), *groups]
        first = self.experiments[0].scores if self.experiments else groups[0].scores
        accelerator = self.measuring.context.machine.accelerator
        return noise.pool(known, noise.prior(first[0], accelerator=accelerator))
