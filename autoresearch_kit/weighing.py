"""An idea, run as often as its verdict needs: see `decide` for when that is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from autoresearch_kit import decide, noise
from autoresearch_kit.decide import Best, Decision, Sample
from autoresearch_kit.execution.handover import recorded_file
from autoresearch_kit.history import History
from autoresearch_kit.measuring import Measuring
from autoresearch_kit.noise import BASELINE, Group
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Arm, Experiment, Measured, Noise, Reason, Run, Verdict, best_of
from autoresearch_kit.repeats import Settled
from autoresearch_kit.trying import Tried
from autoresearch_kit.validity import as_fast, why_disturbed

LUCK = 4.0
"""Sigmas from the mean of its other runs up to which a score may be luck. A run with a fifth fewer
steps is worse by about twice that."""


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
        return tuple(measured.run for measured in _counting(self.own))

    @property
    def reruns(self) -> tuple[Run, ...]:
        """The best's."""
        return tuple(measured.run for measured in _counting(self.again))

    @property
    def set_aside(self) -> tuple[Run, ...]:
        """Those that were disturbed, and not judged."""
        return tuple(measured.run for measured in self._set_aside())

    @property
    def disturbed_folders(self) -> set[str]:
        """The names of the folders of all runs with a seed that stayed disturbed."""
        stayed = [one for one in (*self.own, *self.again) if one.disturbed]
        return {run.folder for one in stayed for run in (one.counts, *one.set_aside)}

    def named(self) -> list[tuple[str, Measured]]:
        """All runs with the names of their notebooks in git, those of the idea first."""
        kinds = {
            "run": _counting(self.own),
            "rerun": _counting(self.again),
            "set-aside": self._set_aside(),
        }
        return [
            (recorded_file(kind, place), measured)
            for kind, some in kinds.items()
            for place, measured in enumerate(some, start=1)
        ]

    def _set_aside(self) -> list[Measured]:
        settled = [*self.own, *self.again]
        stayed = [one.counts for one in settled if one.disturbed]
        return [*(one for some in settled for one in some.set_aside), *stayed]


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
            KitError: the kit failed, and no edit can have brought that about.
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
        while not _ended(own) and len(own) < seeds:
            own = self._with_one_more(tried, own)
        if ended := _ended(own):
            return Weighed(ended, own=tuple(own))
        decision = Decision(Verdict.KEEP, Reason.BASELINE, "held against all that follow")
        return Weighed(decision, self._noise(Group(BASELINE, _scores(own))), tuple(own))

    def _against_best(self, tried: Tried, first: Settled, best: Experiment) -> Weighed:
        own, again = [first], list[Settled]()
        number, lost = tried.proposal.number, decide.possible_losses(self.experiments)
        rule = self.measuring.ground.settings.rule
        while not (ended := _ended(own) or _disturbed(again, "the best, run again")):
            mine, beside = _scores(own), _scores(again)
            before = noise.scores_of(self._runs_before(best, again))
            champion = Best(before, best.nodes, beside, lost)
            challenger = Sample(mine, tried.notebook.nodes())
            found_noise = self._noise(Group(number, mine[1:]), Group(best.number, beside))
            found = decide.decide(challenger, champion, found_noise, rule)
            if isinstance(found, Decision):
                hidden = self._hidden_luck(own, challenger.mean + LUCK * found_noise.sigma)
                if found.verdict is Verdict.KEEP and hidden:
                    all_scores = replace(challenger, scores=challenger.scores + hidden)
                    second = decide.decide(all_scores, champion, found_noise, rule)
                    found = _held_to(found, second)
                return Weighed(found, found_noise, tuple(own), tuple(again))
            if found is Arm.BEST and not _ended(again):
                again = self._with_best_once_more(best, again)
            else:
                own = self._with_one_more(tried, own)
        return Weighed(ended, own=tuple(own), again=tuple(again))

    def _with_one_more(self, tried: Tried, own: Sequence[Settled]) -> list[Settled]:
        number, notebook = tried.proposal.number, tried.notebook
        runs = [settled.run for settled in own]
        more = self.measuring.measure(number, Arm.CHALLENGER, len(own), notebook, runs)
        return self.measuring.reconsidered(number, Arm.CHALLENGER, [*own, more], notebook)

    def _with_best_once_more(self, best: Experiment, again: Sequence[Settled]) -> list[Settled]:
        number, notebook = (
            len(self.experiments),
            TrainNotebook.parse(self.history.source(best.number)),
        )
        before = self._runs_before(best, again)
        runs = [*before, *(settled.run for settled in again)]
        more = self.measuring.measure(number, Arm.BEST, len(again), notebook, runs)
        before = self._runs_before(best, [*again, more])
        return self.measuring.reconsidered(number, Arm.BEST, [*again, more], notebook, before)

    def _runs_before(self, best: Experiment, again: Sequence[Settled]) -> list[Run]:
        """The best's runs in earlier experiments, as far as they are like those made now."""
        now = [settled.run for settled in again if not settled.disturbed]
        return as_fast(noise.runs_by_code(self.experiments)[best.number], now)

    def _hidden_luck(self, own: Sequence[Settled], most: float) -> tuple[float, ...]:
        """The scores up to `most` of runs that were set aside for their steps alone.

        Steps are the notebook's claim, and its luck may be its own too, whatever the seed: code
        could claim few steps whenever it sees that it is unlucky, and be run again. What a slow
        machine does to a score is far more than luck.
        """
        settings, usual = self.measuring.ground.settings, self.measuring.usual
        aside = [one.run for settled in own for one in settled.set_aside]
        claimed = [run for run in aside if not why_disturbed(run, settings, usual)]
        return tuple(score for score in noise.scores_of(claimed) if score <= most)

    def _noise(self, *groups: Group) -> Noise:
        """Of all runs of the campaign that were made together, with these groups added."""
        known = [*noise.groups_of(self.experiments), *groups]
        first = self.experiments[0].scores if self.experiments else groups[0].scores
        accelerator = self.measuring.ground.machine.accelerator
        return noise.pool(known, noise.prior(first[0], accelerator=accelerator))


def _held_to(keep: Decision, second: Decision | Arm) -> Decision:
    """The keep, if it is one as well with the scores of runs that were set aside for their steps;
    else no verdict."""
    if isinstance(second, Decision) and second.verdict is Verdict.KEEP:
        return keep
    detail = f"{keep.detail}; with the runs that claim fewer steps it would not be kept"
    return Decision(Verdict.DISTURBED, Reason.FEWER_STEPS, detail)


def _scores(settled: Sequence[Settled]) -> tuple[float, ...]:
    return tuple(one.run.score.value for one in settled if one.run.score)


def _counting(some: Sequence[Settled]) -> list[Measured]:
    return [settled.counts for settled in some if not settled.disturbed]


def _disturbed(own: Sequence[Settled], what: str = "run") -> Decision | None:
    """What becomes of an idea where a run that is needed stays disturbed."""
    for place, settled in enumerate(own, start=1):
        if settled.disturbed:
            tries = len(settled.set_aside) + 1
            detail = f"{what} {place}, disturbed {tries} times, is not judged: {settled.disturbed}"
            return Decision(Verdict.DISTURBED, settled.reason, detail)
    return None


def _ended(own: Sequence[Settled]) -> Decision | None:
    """What becomes of code that fails with any of its seeds, or of which a run stays disturbed."""
    if disturbed := _disturbed(own):
        return disturbed
    for place, settled in enumerate(own, start=1):
        run = settled.run
        if run.score is None:
            which = f"run {place}: " if len(own) > 1 else ""
            reason = run.failure or Reason.KIT_FAILED
            return Decision(Verdict.CRASH, reason, f"{which}{run.detail}")
    return None
