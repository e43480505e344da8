"""Compare an idea with a best: run both as often as the verdict needs.

In turn with one slot. With several, the runs that are missing go out together, those of the best
are shared by all ideas that wait for them, and what a discard does not need is given up.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from autoresearch_kit.campaign.judging import Comparison, Idea, Judging
from autoresearch_kit.campaign.measuring import SHARED_RERUNS, Measuring, Series
from autoresearch_kit.campaign.orders import Steps, together
from autoresearch_kit.campaign.outcome import Outcome
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Arm, Experiment, Proposal, Verdict
from autoresearch_kit.verdicts import repeats
from autoresearch_kit.verdicts.decide import BESIDE, MERGED_RUNS, Decision
from autoresearch_kit.verdicts.repeats import SeedOutcome
from autoresearch_kit.verdicts.runs_by_code import shared_reruns


@dataclass(frozen=True)
class Comparing:
    """Compares ideas in a campaign with these experiments, which grow meanwhile.

    `slots` returns how many runs can be under way at once.
    """

    measuring: Measuring
    history: History
    experiments: Sequence[Experiment]
    slots: Callable[[], int]

    @property
    def judging(self) -> Judging:
        """Return what judges by the experiments of now."""
        return Judging(self.measuring, self.experiments)

    def compare(self, idea: Idea, best: Experiment) -> Steps[Outcome]:
        """Run an idea and the best that it is held against, as often as the verdict needs.

        In turn with one slot; with several, all that is missing to a verdict is run at once.
        """
        case, measured_noise = Comparison(idea, [], best, []), None
        while not (ended := _ended(case)):
            decided: Decision | Arm = Arm.CHALLENGER
            if case.own:
                decided, measured_noise = self.judging.decide(case)
            if isinstance(decided, Decision):
                ended = decided
                break
            measured_noise = None  # a crash or a disturbed run is not held against noise
            if not case.beside:
                best_series = self._best_series(idea.proposal, best)
            case = yield from self._run_missing(case, decided, best_series)
        return Outcome(
            idea.proposal,
            idea.notebook,
            ended,
            tuple(case.own),
            tuple(case.beside),
            measured_noise,
            best.number,
            idea.passed,
            bounds=self.judging.task.bounds,
        )

    def _run_missing(self, case: Comparison, arm: Arm, best_series: Series) -> Steps[Comparison]:
        """Run what is missing to a verdict; return the case with the runs that are over."""
        own_series = self.own_series(case.idea.proposal, case.idea.notebook, len(case.idea.passed))
        missing = self._missing(case, arm)
        before = [seed.run for seed in case.own]
        best_before = [
            *self.judging.runs_before(case.best, case.beside),
            *(seed.run for seed in case.beside),
        ]
        over = yield from together(
            [
                *(self.measuring.measure(own_series, at, before) for at in missing[0]),
                *(self.measuring.measure(best_series, at, best_before) for at in missing[1]),
            ],
            self._gives_up(case, missing),
        )
        case = _added(case, missing, over)
        if len(over) < len(missing[0]) + len(missing[1]):  # the others were given up
            return case
        if missing[0] and not repeats.ended(case.own):
            own = yield from self.measuring.repeat_slow(own_series, case.own)
            case = replace(case, own=own)
        if missing[1] and not repeats.not_judged(case.beside):
            best_before = self.judging.runs_before(case.best, case.beside)
            beside = yield from self.measuring.repeat_slow(best_series, case.beside, best_before)
            case = replace(case, beside=beside)
        return case

    def _missing(self, case: Comparison, arm: Arm) -> tuple[range, range]:
        """Return the seeds of the idea's runs, and of the best's, that are to be run now."""
        more_own, more_best = len(case.own), len(case.beside)
        best_fails = bool(repeats.ended(case.beside))
        if case.idea.passed:
            more_own = max(MERGED_RUNS, more_own + 1)
        elif not case.own:
            more_own = 1
        elif self.slots() == 1:
            again = arm is Arm.BEST and not best_fails
            more_own, more_best = more_own + (not again), more_best + again
        else:  # the first round brings both to what a keep needs, the others add a run of each
            more_own = max(1 + BESIDE, more_own + 1)
            more_best = more_best if best_fails else max(BESIDE, more_best + 1)
        return range(len(case.own), more_own), range(len(case.beside), more_best)

    def _gives_up(
        self, case: Comparison, missing: tuple[range, range]
    ) -> Callable[[Mapping[int, SeedOutcome]], bool]:
        """Return what tells, of the runs that are over, whether the others need not be waited for:
        they suffice for a verdict that is no keep, and show none of them to be slow."""

        def enough(over: Mapping[int, SeedOutcome]) -> bool:
            now = _added(case, missing, over)
            if _ended(now):
                return True
            before = self.judging.runs_before(case.best, case.beside)
            slow = self.measuring.slow
            if not now.own or slow(now.own) or slow(now.beside, before):
                return False
            decided, _ = self.judging.decide(now)
            return isinstance(decided, Decision) and decided.verdict is not Verdict.KEEP

        return enough

    def own_series(self, proposal: Proposal, notebook: TrainNotebook, merges: int = 0) -> Series:
        """Return the runs of an idea's code, which was merged so many times."""
        number, name = proposal.number, f"merged-{merges}" if merges else str(Arm.CHALLENGER)
        return Series(number, Arm.CHALLENGER, notebook, number, name)

    def _best_series(self, proposal: Proposal, best: Experiment) -> Series:
        """Return the re-runs of the best: with several slots, those that others wait for as well.

        Ideas that are compared with the same best at the same time ask for the same runs.
        """
        code = TrainNotebook.parse(self.history.source(best.number))
        if self.slots() == 1:
            return Series(proposal.number, Arm.BEST, code, proposal.number, str(Arm.BEST))
        first = shared_reruns(self.experiments, best.number)
        return Series(proposal.number, Arm.BEST, code, best.number, SHARED_RERUNS, first)


def _ended(comparison: Comparison) -> Decision | None:
    """Return the verdict where a run crashed or stays disturbed; None where all can be judged."""
    return repeats.ended(comparison.own) or repeats.not_judged(
        comparison.beside, "re-run of the best"
    )


def _added(
    case: Comparison, missing: tuple[range, range], over: Mapping[int, SeedOutcome]
) -> Comparison:
    """Return the case with the runs that are over added, which are the missing ones by index."""
    ideas = [each for at, each in over.items() if at < len(missing[0])]
    bests = [each for at, each in over.items() if at >= len(missing[0])]
    return replace(case, own=[*case.own, *ideas], beside=[*case.beside, *bests])
