"""Compare an idea with a best: run both as often as the verdict needs.

In turn with one slot. With several, the runs that are missing go out together, those of the best
are shared by all ideas that wait for them, and what a discard does not need is given up.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from autoresearch_kit.campaign.judging import Comparison, Idea, Judging
from autoresearch_kit.campaign.measuring import SHARED_RERUNS, Measuring, Series
from autoresearch_kit.campaign.orders import Steps, together
from autoresearch_kit.campaign.outcome import Outcome
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import (
    Arm,
    Experiment,
    Proposal,
    Verdict,
)
from autoresearch_kit.verdicts import noise, repeats
from autoresearch_kit.verdicts.decide import (
    BESIDE,
    MERGED_RUNS,
    Decision,
)
from autoresearch_kit.verdicts.repeats import SeedOutcome


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
        own_series = self.own_series(idea.proposal, idea.notebook, len(idea.passed))
        own, beside, measured_noise = list[SeedOutcome](), list[SeedOutcome](), None
        while not (ended := repeats.ended(own) or repeats.not_judged(beside, "re-run of the best")):
            decided: Decision | Arm = Arm.CHALLENGER
            if own:
                decided, measured_noise = self.judging.decide(Comparison(idea, own, best, beside))
            if isinstance(decided, Decision):
                ended = decided
                break
            if not beside:
                best_series = self._best_series(idea.proposal, best)
            missing = self._missing(idea, decided, own, beside)
            given_up = self._gives_up(idea, own, best, beside, missing)
            before = [seed.run for seed in own]
            best_before = [*self.judging.runs_before(best, beside), *(seed.run for seed in beside)]
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
                best_before = self.judging.runs_before(best, beside)
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
            bounds=self.judging.task.bounds,
        )

    def _missing(
        self, idea: Idea, arm: Arm, own: Sequence[SeedOutcome], beside: Sequence[SeedOutcome]
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
        idea: Idea,
        own: Sequence[SeedOutcome],
        best: Experiment,
        beside: Sequence[SeedOutcome],
        missing: tuple[range, range],
    ) -> Callable[[Mapping[int, SeedOutcome]], bool]:
        """Return what tells, of the runs that are over, whether the others need not be waited for:
        they suffice for a verdict that is no keep, and show none of them to be slow."""

        def enough(over: Mapping[int, SeedOutcome]) -> bool:
            now = _added(own, beside, missing, over)
            if repeats.ended(now[0]) or repeats.not_judged(now[1]):
                return True
            before = self.judging.runs_before(best, beside)
            if not now[0] or self.measuring.slow(now[0]) or self.measuring.slow(now[1], before):
                return False
            decided, _ = self.judging.decide(Comparison(idea, now[0], best, now[1]))
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
        first = noise.shared_reruns(self.experiments, best.number)
        return Series(proposal.number, Arm.BEST, code, best.number, SHARED_RERUNS, first)


def _added(
    own: Sequence[SeedOutcome],
    beside: Sequence[SeedOutcome],
    missing: tuple[range, range],
    over: Mapping[int, SeedOutcome],
) -> tuple[list[SeedOutcome], list[SeedOutcome]]:
    """Return both lists with the runs that are over added, which are the missing ones by index."""
    ideas = [each for at, each in over.items() if at < len(missing[0])]
    bests = [each for at, each in over.items() if at >= len(missing[0])]
    return [*own, *ideas], [*beside, *bests]
