"""One idea until it is decided: its notebook is made, then run as often as its verdict needs.

An idea is compared with its own base, the best that it was built on. With one slot that is the best
of now. With several another idea may have been kept meanwhile: what passed is then merged onto the
best of now, and its merged code is run with fresh seeds, since scores of different code are never
pooled.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from autoresearch_kit.campaign.measuring import AGAIN, Measuring, Series
from autoresearch_kit.campaign.orders import Steps, together, until
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
    Profiled,
    Proposal,
    Reason,
    Run,
    Verdict,
    best_of,
)
from autoresearch_kit.researchers.rebase import rebase
from autoresearch_kit.verdicts import decide, noise, repeats
from autoresearch_kit.verdicts.decide import BESIDE, MERGED_RUNS, Best, Decision, Sample
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


MOST_BASELINE = 16
"""The most runs of the baseline that are made to know whether slots are alike."""


@dataclass(frozen=True)
class Outcome:
    """An idea decided: the verdict, the noise behind it, its runs, and the best's runs beside.

    `against` is the number of that best; None for the baseline, and where nothing was run. `passed`
    are the outcomes by which it was to be kept before it was merged onto another best.
    """

    proposal: Proposal
    notebook: TrainNotebook
    decision: Decision
    own: tuple[Settled, ...] = ()
    best_runs: tuple[Settled, ...] = ()
    noise: Noise | None = None
    against: int | None = None
    passed: "tuple[Outcome, ...]" = ()
    profiled: Profiled | None = None

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
class _Idea:
    """An idea as it is run; `passed` is as in `Outcome`."""

    proposal: Proposal
    notebook: TrainNotebook
    passed: tuple[Outcome, ...] = ()


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
            outcome = yield from self._compare(_Idea(proposal, notebook), base)
        while outcome.decision.verdict is Verdict.KEEP:
            outcome = yield from self._completed(outcome)
            best = best_of(self.experiments)
            if best is None or best.number == outcome.against:
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
        """Return the kept experiment that it is built on, else the best; None for the baseline."""
        parents = [each for each in self.experiments if each.number == proposal.parent]
        return next((each for each in parents if each.kept), best_of(self.experiments))

    def _baseline(self, proposal: Proposal, notebook: TrainNotebook) -> Steps[Outcome]:
        """Run it with several seeds, since all that follow are compared with it.

        Each slot runs it once, up to `MOST_BASELINE`, so that it is known whether they are alike.
        """
        series = self._own_series(proposal, notebook)
        seeds = max(self.measuring.context.settings.seeds, min(self.slots(), MOST_BASELINE))
        own = list[Settled]()
        while not (ended := repeats.ended(own)) and len(own) < seeds:
            more = range(len(own), seeds if self.slots() > 1 else len(own) + 1)
            before = [seed.run for seed in own]
            over = yield from together([self.measuring.measure(series, at, before) for at in more])
            own = yield from self.measuring.repeat_slow(series, [*own, *over.values()])
        if ended:
            return Outcome(proposal, notebook, ended, tuple(own))
        detail = "every later experiment is compared with it"
        decision = Decision(Verdict.KEEP, Reason.BASELINE, detail)
        measured_noise = self._noise(Group(BASELINE, repeats.scores(own)))
        return Outcome(proposal, notebook, decision, tuple(own), noise=measured_noise)

    def _completed(self, outcome: Outcome) -> Steps[Outcome]:
        """Audit what is to be kept, and profile it."""
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
        return (yield from self._compare(_Idea(moved, notebook, passed), best))

    def _compare(self, idea: _Idea, best: Experiment) -> Steps[Outcome]:
        """Run an idea and the best that it is held against, as often as the verdict needs.

        In turn with one slot; with several, all that is missing to a verdict is run at once.
        """
        own_series = self._own_series(idea.proposal, idea.notebook, len(idea.passed))
        own, beside, measured_noise = list[Settled](), list[Settled](), None
        while not (ended := repeats.ended(own) or repeats.not_judged(beside, "re-run of the best")):
            decided: Decision | Arm = Arm.CHALLENGER
            if own:
                decided, measured_noise = self._decided(idea, own, best, beside)
            if isinstance(decided, Decision):
                ended = decided
                break
            if not beside:
                best_series = self._best_series(idea.proposal, best)
            missing = self._missing(idea, decided, own, beside)
            given_up = self._gives_up(idea, own, best, beside, missing)
            before = [seed.run for seed in own]
            best_before = [*self._runs_before(best, beside), *(seed.run for seed in beside)]
            over = yield from together(
                [
                    *(self.measuring.measure(own_series, at, before) for at in missing[0]),
                    *(self.measuring.measure(best_series, at, best_before) for at in missing[1]),
                ],
                given_up,
            )
            own, beside = _added(own, beside, missing, over)
            if len(over) < len(missing[0]) + len(missing[1]):  # the others were given up
                continue
            if missing[0] and not repeats.ended(own):
                own = yield from self.measuring.repeat_slow(own_series, own)
            if missing[1] and not repeats.not_judged(beside):
                best_before = self._runs_before(best, beside)
                beside = yield from self.measuring.repeat_slow(best_series, beside, best_before)
            measured_noise = None  # a crash or a disturbed run is not held against noise
        return Outcome(
            idea.proposal,
            idea.notebook,
            ended,
            tuple(own),
            tuple(beside),
            measured_noise,
            best.number,
            idea.passed,
        )

    def _missing(
        self, idea: _Idea, arm: Arm, own: Sequence[Settled], beside: Sequence[Settled]
    ) -> tuple[range, range]:
        """Return the seeds of the idea's runs, and of the best's, that are to be run now."""
        more_own, more_best = len(own), len(beside)
        best_fails = bool(repeats.ended(beside))
        if idea.passed:
            more_own = max(MERGED_RUNS, more_own + 1)
        elif not own:
            more_own = 1
        elif self.slots() == 1:
            again = arm is Arm.BEST and not best_fails
            more_own, more_best = more_own + (not again), more_best + again
        else:  # the first round brings both to what a keep needs, the others add a run of each
            more_own = max(1 + BESIDE, more_own + 1)
            more_best = more_best if best_fails else max(BESIDE, more_best + 1)
        return range(len(own), more_own), range(len(beside), more_best)

    def _gives_up(
        self,
        idea: _Idea,
        own: Sequence[Settled],
        best: Experiment,
        beside: Sequence[Settled],
        missing: tuple[range, range],
    ) -> Callable[[Mapping[int, Settled]], bool]:
        """Return what tells, of the runs that are over, whether the others need not be waited for:
        they suffice for a verdict that is no keep, and show none of them to be slow."""

        def enough(over: Mapping[int, Settled]) -> bool:
            now = _added(own, beside, missing, over)
            if repeats.ended(now[0]) or repeats.not_judged(now[1]):
                return True
            before = self._runs_before(best, beside)
            if not now[0] or self.measuring.slow(now[0]) or self.measuring.slow(now[1], before):
                return False
            decided, _ = self._decided(idea, now[0], best, now[1])
            return isinstance(decided, Decision) and decided.verdict is not Verdict.KEEP

        return enough

    def _own_series(self, proposal: Proposal, notebook: TrainNotebook, merges: int = 0) -> Series:
        number, name = proposal.number, f"merged-{merges}" if merges else str(Arm.CHALLENGER)
        return Series(number, Arm.CHALLENGER, notebook, number, name)

    def _best_series(self, proposal: Proposal, best: Experiment) -> Series:
        """Return the re-runs of the best: with several slots, those that others wait for as well.

        Ideas that are compared with the same best at the same time ask for the same runs.
        """
        code = TrainNotebook.parse(self.history.source(best.number))
        if self.slots() == 1:
            return Series(proposal.number, Arm.BEST, code, proposal.number, str(Arm.BEST))
        first = noise.shared_reruns(self.experiments, best.number)
        return Series(proposal.number, Arm.BEST, code, best.number, AGAIN, first)

    def _decided(
        self,
        idea: _Idea,
        own: Sequence[Settled],
        best: Experiment,
        beside: Sequence[Settled],
    ) -> tuple[Decision | Arm, Noise]:
        """Return the decision, or whose code to run once more; and the noise behind it."""
        scores, best_scores = repeats.scores(own), repeats.scores(beside)
        # an idea's first run is not noise: it was picked by it; merged code was not
        fresh = scores if idea.passed else scores[1:]
        number, nodes = idea.proposal.number, idea.notebook.nodes()
        measured_noise = self._noise(Group(number, fresh), Group(best.number, best_scores))
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
        rule = decide.decide_merged if idea.passed else decide.decide
        return rule(challenger, champion, measured_noise, settings.rule), measured_noise

    def _runs_before(self, best: Experiment, beside: Sequence[Settled]) -> list[Run]:
        """Return the best's runs of earlier experiments that were as fast as those made now."""
        now = [seed.run for seed in beside if not seed.disturbed]
        return as_fast(noise.runs_by_code(self.experiments)[best.number], now)

    def _noise(self, *groups: Group) -> Noise:
        """Pool the noise of all runs that were made together, with these groups added."""
        known = [*noise.groups_of(self.experiments), *groups]
        first = self.experiments[0].scores if self.experiments else groups[0].scores
        accelerator = self.measuring.context.machine.accelerator
        return noise.pool(known, noise.prior(first[0], accelerator=accelerator))


def _parent(proposal: Proposal) -> int:
    if proposal.parent is None:
        raise ValueError("the baseline has no parent")
    return proposal.parent


def _added(
    own: Sequence[Settled],
    beside: Sequence[Settled],
    missing: tuple[range, range],
    over: Mapping[int, Settled],
) -> tuple[list[Settled], list[Settled]]:
    """Return both lists with the runs that are over added, which are the missing ones by index."""
    ideas = [each for at, each in over.items() if at < len(missing[0])]
    bests = [each for at, each in over.items() if at >= len(missing[0])]
    return [*own, *ideas], [*beside, *bests]
