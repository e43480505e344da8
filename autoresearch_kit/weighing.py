"""An idea, run as often as its verdict needs: see `decide` for when that is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from autoresearch_kit import decide, noise
from autoresearch_kit.decide import Decision, Sample
from autoresearch_kit.execution.handover import recorded_file
from autoresearch_kit.history import History
from autoresearch_kit.measuring import Measuring, Settled
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Arm, Experiment, Measured, Noise, Reason, Run, Verdict, best_of
from autoresearch_kit.trying import Tried


@dataclass(frozen=True)
class Weighed:
    """The verdict, what it was held against, and the runs: of the idea, and of the best again."""

    decision: Decision
    noise: Noise | None = None
    own: tuple[Settled, ...] = ()
    again: tuple[Settled, ...] = ()

    @property
    def runs(self) -> tuple[Run, ...]:
        """The idea's."""
        return tuple(settled.run for settled in self.own)

    @property
    def reruns(self) -> tuple[Run, ...]:
        """The best's."""
        return tuple(settled.run for settled in self.again)

    @property
    def set_aside(self) -> tuple[Run, ...]:
        """Those that were repeated and not judged."""
        return tuple(measured.run for measured in self._set_aside())

    def named(self) -> list[tuple[str, Measured]]:
        """All runs with the names of their notebooks in git, those of the idea first."""
        kinds = {
            "run": [settled.counts for settled in self.own],
            "rerun": [settled.counts for settled in self.again],
            "set-aside": self._set_aside(),
        }
        return [
            (recorded_file(kind, place), measured)
            for kind, some in kinds.items()
            for place, measured in enumerate(some, start=1)
        ]

    def _set_aside(self) -> list[Measured]:
        return [one for settled in (*self.own, *self.again) for one in settled.set_aside]


@dataclass(frozen=True)
class Scales:
    """Where ideas are weighed, in a campaign with these experiments before."""

    measuring: Measuring
    history: History
    experiments: Sequence[Experiment]

    def weigh(self, tried: Tried) -> Weighed:
        """Run the idea again, and the best, until there is a verdict; audit what is kept.

        Raises:
            Cancelled: a person asked to stop at once; the runs that are over stay written down.
            KitError: the kit failed twice in a row.
        """
        if tried.first is None:
            return Weighed(Decision(Verdict.CRASH, Reason.INVALID_EDIT, tried.problem))
        best = best_of(self.experiments)
        if best is None:
            weighed = self._baseline(tried, tried.first)
        else:
            weighed = self._against_best(tried, tried.first, best)
        if weighed.decision.verdict is not Verdict.KEEP:
            return weighed
        first, *others = weighed.own
        return replace(weighed, own=(self.measuring.audited(first), *others))

    def _baseline(self, tried: Tried, first: Settled) -> Weighed:
        """Several seeds of it, since all that follow are held against it."""
        own = [first]
        seeds = self.measuring.ground.settings.seeds
        while own[-1].run.score and len(own) < seeds:
            own.append(self._once_more(tried, own))
        if crash := _crash(own):
            return Weighed(crash, own=tuple(own))
        decision = Decision(Verdict.KEEP, Reason.BASELINE, "held against all that follow")
        return Weighed(decision, self._noise(0, _scores(own)), tuple(own))

    def _against_best(self, tried: Tried, first: Settled, best: Experiment) -> Weighed:
        own, again = [first], list[Settled]()
        before = noise.scores_by_code(self.experiments)[best.number]
        while not (crash := _crash(own)):
            champion = Sample((*before, *_scores(again)), best.nodes)
            found_noise = self._noise(best.number, _scores(again), _scores(own))
            found = decide.decide(
                Sample(_scores(own), tried.notebook.nodes()),
                champion,
                found_noise,
                self.measuring.ground.settings.rule,
            )
            if isinstance(found, Decision):
                return Weighed(found, found_noise, tuple(own), tuple(again))
            if found is Arm.BEST and not _crash(again):
                again.append(self._best_once_more(best, again))
            else:
                own.append(self._once_more(tried, own))
        return Weighed(crash, own=tuple(own), again=tuple(again))

    def _once_more(self, tried: Tried, own: Sequence[Settled]) -> Settled:
        runs = [settled.run for settled in own]
        return self.measuring.measure(
            tried.proposal.number, Arm.CHALLENGER, len(own), tried.notebook, runs
        )

    def _best_once_more(self, best: Experiment, again: Sequence[Settled]) -> Settled:
        notebook = TrainNotebook.parse(self.history.source(best.number))
        runs = [*best.runs, *(settled.run for settled in again)]
        return self.measuring.measure(len(self.experiments), Arm.BEST, len(again), notebook, runs)

    def _noise(self, best: int, again: Sequence[float], *own: Sequence[float]) -> Noise:
        """Of every code of the campaign that was run more than once, with these scores added."""
        groups = noise.scores_by_code(self.experiments)
        groups[best] = (*groups.get(best, ()), *again)
        [*known] = groups.values()
        baseline = known[0][0]
        accelerator = self.measuring.ground.machine.accelerator
        return noise.pool([*known, *own], noise.prior(baseline, accelerator=accelerator))


def _scores(settled: Sequence[Settled]) -> tuple[float, ...]:
    return tuple(one.run.score.value for one in settled if one.run.score)


def _crash(own: Sequence[Settled]) -> Decision | None:
    """What becomes of code that fails with any of its seeds."""
    for place, settled in enumerate(own, start=1):
        run = settled.run
        if run.score is None:
            which = f"run {place}: " if len(own) > 1 else ""
            reason = run.failure or Reason.KIT_FAILED
            return Decision(Verdict.CRASH, reason, f"{which}{run.detail}")
    return None
