"""One idea until it is decided: its notebook is made, then run as often as its verdict needs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from autoresearch_kit.campaign.measuring import Measuring, Steps
from autoresearch_kit.errors import EditError
from autoresearch_kit.execution.handover import recorded_file
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
from autoresearch_kit.verdicts import decide, noise
from autoresearch_kit.verdicts.decide import Best, Decision, Sample
from autoresearch_kit.verdicts.noise import BASELINE, Group
from autoresearch_kit.verdicts.repeats import Settled
from autoresearch_kit.verdicts.validity import as_fast, why_disturbed

REPAIRS = 1
"""How often an idea may crash on a bug and be repaired; the next crash is its end."""

BUGS = (
    Reason.ERROR,
    Reason.EXITED,
    Reason.NO_SUBMISSION,
    Reason.UNPICKLABLE,
    Reason.BAD_SUBMISSION,
)
"""Crashes whose cause is the code, not its appetite for memory or time, nor what it learnt."""

LUCK = 4.0
"""Sigmas above the mean of its other runs up to which a score may be bad luck. A run with a fifth
fewer steps is worse by about twice that."""


@dataclass(frozen=True)
class FirstRun:
    """A proposal's notebook and its first run.

    Without a run, `problem` says why there is nothing to run; `notebook` is then the parent's.
    `bug` is the proposal with its crash among its attempts, where that bug may be repaired.
    """

    proposal: Proposal
    notebook: TrainNotebook
    run: Settled | None = None
    problem: str = ""
    bug: Proposal | None = None


@dataclass(frozen=True)
class Outcome:
    """An idea decided: the verdict, the noise behind it, its runs, and the best's runs beside.

    `against` is the number of that best; None for the baseline, and where nothing was run.
    """

    proposal: Proposal
    notebook: TrainNotebook
    decision: Decision
    noise: Noise | None = None
    against: int | None = None
    own: tuple[Settled, ...] = ()
    again: tuple[Settled, ...] = ()

    @property
    def runs(self) -> tuple[Run, ...]:
        """Return the idea's runs that count."""
        return tuple(measured.run for measured in _counting(self.own))

    @property
    def reruns(self) -> tuple[Run, ...]:
        """Return the best's runs that count."""
        return tuple(measured.run for measured in _counting(self.again))

    @property
    def set_aside(self) -> tuple[Run, ...]:
        """Return the runs that were disturbed, which decide nothing."""
        return tuple(measured.run for measured in self._set_aside())

    @property
    def disturbed_folders(self) -> set[str]:
        """Return the folders of all runs with a seed that stayed disturbed, by name."""
        stayed = [settled for settled in (*self.own, *self.again) if settled.disturbed]
        return {run.folder for settled in stayed for run in (settled.counts, *settled.set_aside)}

    def named(self) -> list[tuple[str, Measured]]:
        """Return all runs with the names of their notebooks in git, those of the idea first."""
        kinds = {
            "run": _counting(self.own),
            "rerun": _counting(self.again),
            "set-aside": self._set_aside(),
        }
        return [
            (recorded_file(kind, index), measured)
            for kind, runs in kinds.items()
            for index, measured in enumerate(runs, start=1)
        ]

    def _set_aside(self) -> list[Measured]:
        both = [*self.own, *self.again]
        stayed = [settled.counts for settled in both if settled.disturbed]
        return [*(measured for settled in both for measured in settled.set_aside), *stayed]


@dataclass(frozen=True)
class Decider:
    """Runs ideas until each has a verdict, in a campaign with these experiments.

    They grow while ideas are run: other ideas may be decided meanwhile.
    """

    measuring: Measuring
    history: History
    experiments: Sequence[Experiment]

    def first_run(self, proposal: Proposal) -> Steps[FirstRun]:
        """Make the proposal's notebook, run it with its first seed, and score it.

        Raises:
            Cancelled: a person asked to stop at once; the proposal stays written down.
            KitError: the kit failed, and no edit can have caused that.
        """
        parent = self._parent(proposal)
        if proposal.failure:
            return FirstRun(proposal, parent, problem=proposal.failure)
        try:
            notebook = self._edited(parent, proposal)
        except EditError as error:
            return FirstRun(proposal, parent, problem=str(error))
        run = yield from self.measuring.measure(proposal.number, Arm.CHALLENGER, 0, notebook)
        return FirstRun(proposal, notebook, run, bug=self._bug(proposal, run))

    def decide(self, first: FirstRun) -> Steps[Outcome]:
        """Run the idea again, and the best, until there is a verdict; audit what is kept.

        Raises:
            Cancelled: a person asked to stop at once; the runs that are over stay written down.
            KitError: the kit failed, and no edit can have caused that.
        """
        if first.run is None:
            crash = Decision(Verdict.CRASH, Reason.INVALID_EDIT, first.problem)
            return Outcome(first.proposal, first.notebook, crash)
        while True:
            best = best_of(self.experiments)
            if best is None:
                outcome = yield from self._baseline(first, first.run)
            else:
                outcome = yield from self._against_best(first, first.run, best)
            if outcome.decision.verdict is not Verdict.KEEP:
                return outcome
            kept, *others = outcome.own
            audited = yield from self.measuring.audited(kept, outcome.notebook)
            # a keep must be better than the best of now: another idea may have been kept meanwhile
            if best_of(self.experiments) is best:
                return replace(outcome, own=(audited, *others))

    def _parent(self, proposal: Proposal) -> TrainNotebook:
        if proposal.parent is None:
            return self.measuring.context.baseline
        return TrainNotebook.parse(self.history.source(proposal.parent))

    def _edited(self, parent: TrainNotebook, proposal: Proposal) -> TrainNotebook:
        if proposal.parent is None:
            return parent
        edited = parent.apply(proposal.edits, proposal.constants)
        edited = edited.relocked(self.measuring.context.baseline)
        edited.check(parent)
        return edited

    def _bug(self, proposal: Proposal, first: Settled) -> Proposal | None:
        """Return the proposal with its crash as an attempt; None if that is not to be repaired."""
        if first.run.failure not in BUGS or len(proposal.attempts) >= REPAIRS:
            return None
        executed = crash_report.read_executed(self.measuring.executed(first.counts))
        attempt = Attempt(
            proposal.edits,
            proposal.constants,
            first.run,
            crash_report.error_in(executed),
            proposal.idea,
            proposal.hypothesis,
        )
        return replace(proposal, attempts=(*proposal.attempts, attempt))

    def _baseline(self, tried: FirstRun, first: Settled) -> Steps[Outcome]:
        """Run it with several seeds, since all that follow are compared with it."""
        own = [first]
        seeds = self.measuring.context.settings.seeds
        while not _ended(own) and len(own) < seeds:
            own = yield from self._with_one_more(tried, own)
        if ended := _ended(own):
            return Outcome(tried.proposal, tried.notebook, ended, own=tuple(own))
        decision = Decision(
            Verdict.KEEP, Reason.BASELINE, "every later experiment is compared with it"
        )
        measured_noise = self._noise(Group(BASELINE, _scores(own)))
        return Outcome(tried.proposal, tried.notebook, decision, measured_noise, own=tuple(own))

    def _against_best(self, tried: FirstRun, first: Settled, best: Experiment) -> Steps[Outcome]:
        """Run the idea and the best in turn, as often as the verdict needs."""
        own, again = [first], list[Settled]()
        measured_noise = None
        while not (ended := _ended(own) or _disturbed(again, "re-run of the best")):
            decided, measured_noise = self._decided(tried, best, own, again)
            if isinstance(decided, Decision):
                ended = decided
                break
            if decided is Arm.BEST and not _ended(again):
                number = tried.proposal.number
                again = yield from self._with_best_once_more(number, best, again)
            else:
                own = yield from self._with_one_more(tried, own)
            measured_noise = None  # a crash or a disturbed run is not held against noise
        runs = tuple(own), tuple(again)
        return Outcome(tried.proposal, tried.notebook, ended, measured_noise, best.number, *runs)

    def _decided(
        self, tried: FirstRun, best: Experiment, own: Sequence[Settled], again: Sequence[Settled]
    ) -> tuple[Decision | Arm, Noise]:
        """Return the decision, or whose code to run once more; and the noise behind it.

        A keep must also be a keep when runs set aside only for too few steps are counted.
        """
        mine, beside = _scores(own), _scores(again)
        groups = Group(tried.proposal.number, mine[1:]), Group(best.number, beside)
        measured_noise = self._noise(*groups)
        challenger = Sample(mine, tried.notebook.nodes())
        before = noise.scores_of(self._runs_before(best, again))
        lost = decide.possible_losses(self.experiments)
        champion = Best(before, best.nodes, beside, lost)
        rule = self.measuring.context.settings.rule
        decided = decide.decide(challenger, champion, measured_noise, rule)
        if isinstance(decided, Decision) and decided.verdict is Verdict.KEEP:
            mine = self._with_claimed(own, measured_noise.sigma)
            beside = self._with_claimed(again, measured_noise.sigma)
            challenger = replace(challenger, scores=mine)
            champion = replace(champion, beside=beside)
            again_decided = decide.decide(challenger, champion, measured_noise, rule)
            decided = _confirmed(decided, again_decided)
        return decided, measured_noise

    def _with_one_more(self, tried: FirstRun, own: Sequence[Settled]) -> Steps[list[Settled]]:
        number, notebook = tried.proposal.number, tried.notebook
        runs = [settled.run for settled in own]
        more = yield from self.measuring.measure(number, Arm.CHALLENGER, len(own), notebook, runs)
        again = self.measuring.reconsidered(number, Arm.CHALLENGER, [*own, more], notebook)
        return (yield from again)

    def _with_best_once_more(
        self, number: int, best: Experiment, again: Sequence[Settled]
    ) -> Steps[list[Settled]]:
        notebook = TrainNotebook.parse(self.history.source(best.number))
        before = self._runs_before(best, again)
        runs = [*before, *(settled.run for settled in again)]
        more = yield from self.measuring.measure(number, Arm.BEST, len(again), notebook, runs)
        before = self._runs_before(best, [*again, more])
        both = [*again, more]
        return (yield from self.measuring.reconsidered(number, Arm.BEST, both, notebook, before))

    def _runs_before(self, best: Experiment, again: Sequence[Settled]) -> list[Run]:
        """Return the best's runs of earlier experiments that were as fast as those made now."""
        now = [settled.run for settled in again if not settled.disturbed]
        return as_fast(noise.runs_by_code(self.experiments)[best.number], now)

    def _with_claimed(self, seeds: Sequence[Settled], sigma: float) -> tuple[float, ...]:
        """Return the scores of one code, runs set aside only for too few steps included.

        The notebook itself reports its steps. Code could report few steps whenever it sees that it
        is unlucky, and so be run again; the best, when it is lucky. A machine that is really slow
        costs far more than luck: scores more than `LUCK` sigma above the mean of those that count
        are left out. Of one seed the score that counts comes last, so that an idea's first score
        stays the one that it was picked by.
        """
        counting = _scores(seeds)
        if not counting:
            return ()
        settings, usual = self.measuring.context.settings, self.measuring.usual
        most, scores = fmean(counting) + LUCK * sigma, list[float]()
        for seed in seeds:
            aside = [measured.run for measured in seed.set_aside]
            claimed = [run for run in aside if not why_disturbed(run, settings, usual)]
            scores += [score for score in noise.scores_of(claimed) if score <= most]
            scores += noise.scores_of([seed.run])
        return tuple(scores)

    def _noise(self, *groups: Group) -> Noise:
        """Pool the noise of all runs that were made together, with these groups added."""
        known = [*noise.groups_of(self.experiments), *groups]
        first = self.experiments[0].scores if self.experiments else groups[0].scores
        accelerator = self.measuring.context.machine.accelerator
        return noise.pool(known, noise.prior(first[0], accelerator=accelerator))


def _confirmed(keep: Decision, second: Decision | Arm) -> Decision | Arm:
    """Return the keep if it also holds with the runs that were set aside only for too few steps.

    Where these runs leave it open, return whose code to run once more; where they are against it,
    the experiment is disturbed.
    """
    if isinstance(second, Arm):
        return second
    if second.verdict is Verdict.KEEP:
        return keep
    detail = f"{keep.detail}; with the runs that claim fewer steps it would not be kept"
    return Decision(Verdict.DISTURBED, Reason.FEWER_STEPS, detail)


def _scores(settled: Sequence[Settled]) -> tuple[float, ...]:
    return noise.scores_of(seed.run for seed in settled)


def _counting(seeds: Sequence[Settled]) -> list[Measured]:
    return [seed.counts for seed in seeds if not seed.disturbed]


def _disturbed(own: Sequence[Settled], what: str = "run") -> Decision | None:
    """Return the verdict where a run that is needed stays disturbed; None where none does."""
    for index, settled in enumerate(own, start=1):
        if settled.disturbed:
            tries = len(settled.set_aside) + 1
            detail = f"{what} {index}, disturbed {tries} times, is not judged: {settled.disturbed}"
            return Decision(Verdict.DISTURBED, settled.reason, detail)
    return None


def _ended(own: Sequence[Settled]) -> Decision | None:
    """Return the verdict on code that fails with any seed, or has a run that stays disturbed."""
    if disturbed := _disturbed(own):
        return disturbed
    for index, settled in enumerate(own, start=1):
        run = settled.run
        if run.score is None:
            which = f"run {index}: " if len(own) > 1 else ""
            reason = run.failure or Reason.KIT_FAILED
            return Decision(Verdict.CRASH, reason, f"{which}{run.detail}")
    return None
