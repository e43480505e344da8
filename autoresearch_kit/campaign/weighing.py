"""An idea, run as often as its verdict needs: see `decide` for when that is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from autoresearch_kit.campaign.measuring import Measuring
from autoresearch_kit.campaign.trying import Tried
from autoresearch_kit.execution.handover import recorded_file
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Arm, Experiment, Measured, Noise, Reason, Run, Verdict, best_of
from autoresearch_kit.verdicts import decide, noise
from autoresearch_kit.verdicts.decide import Best, Decision, Sample
from autoresearch_kit.verdicts.noise import BASELINE, Group
from autoresearch_kit.verdicts.repeats import Settled
from autoresearch_kit.verdicts.validity import as_fast, why_disturbed

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
        """As many runs of the idea and of the best, in turn, as the verdict needs."""
        own, again = [first], list[Settled]()
        while not (ended := _ended(own) or _disturbed(again, "the best, run again")):
            found, found_noise = self._decided(tried, best, own, again)
            if isinstance(found, Decision):
                return Weighed(found, found_noise, tuple(own), tuple(again))
            if found is Arm.BEST and not _ended(again):
                again = self._with_best_once_more(best, again)
            else:
                own = self._with_one_more(tried, own)
        return Weighed(ended, own=tuple(own), again=tuple(again))

    def _decided(
        self, tried: Tried, best: Experiment, own: Sequence[Settled], again: Sequence[Settled]
    ) -> tuple[Decision | Arm, Noise]:
        """Return what follows from these runs of both, and the noise that it rests on.

        A keep must be one as well where the runs that were set aside for their steps alone count.
        """
        mine, beside = _scores(own), _scores(again)
        groups = Group(tried.proposal.number, mine[1:]), Group(best.number, beside)
        found_noise = self._noise(*groups)
        challenger = Sample(mine, tried.notebook.nodes())
        before = noise.scores_of(self._runs_before(best, again))
        lost = decide.possible_losses(self.experiments)
        champion = Best(before, best.nodes, beside, lost)
        rule = self.measuring.ground.settings.rule
        found = decide.decide(challenger, champion, found_noise, rule)
        if isinstance(found, Decision) and found.verdict is Verdict.KEEP:
            mine = self._with_claimed(own, found_noise.sigma)
            beside = self._with_claimed(again, found_noise.sigma)
            challenger = replace(challenger, scores=mine)
            champion = replace(champion, beside=beside)
            found = _held_to(found, decide.decide(challenger, champion, found_noise, rule))
        return found, found_noise

    def _with_one_more(self, tried: Tried, own: Sequence[Settled]) -> list[Settled]:
        number, notebook = tried.proposal.number, tried.notebook
        runs = [settled.run for settled in own]
        more = self.measuring.measure(number, Arm.CHALLENGER, len(own), notebook, runs)
        return self.measuring.reconsidered(number, Arm.CHALLENGER, [*own, more], notebook)

    def _with_best_once_more(self, best: Experiment, again: Sequence[Settled]) -> list[Settled]:
        number = len(self.experiments)
        notebook = TrainNotebook.parse(self.history.source(best.number))
        before = self._runs_before(best, again)
        runs = [*before, *(settled.run for settled in again)]
        more = self.measuring.measure(number, Arm.BEST, len(again), notebook, runs)
        before = self._runs_before(best, [*again, more])
        return self.measuring.reconsidered(number, Arm.BEST, [*again, more], notebook, before)

    def _runs_before(self, best: Experiment, again: Sequence[Settled]) -> list[Run]:
        """The best's runs in earlier experiments, as far as they are like those made now."""
        now = [settled.run for settled in again if not settled.disturbed]
        return as_fast(noise.runs_by_code(self.experiments)[best.number], now)

    def _with_claimed(self, some: Sequence[Settled], sigma: float) -> tuple[float, ...]:
        """The scores of one code, with those of runs that were set aside for their steps alone.

        Steps are the notebook's claim, and its luck may be its own too, whatever the seed: code
        could claim few steps whenever it sees that it is unlucky, and be run again; the best, when
        it is lucky. What a slow machine does to a score is far more than luck: such scores, more
        than `LUCK` sigma above the mean of those that count, are left out. Of one seed the score
        that counts comes last, so that an idea's first is the one that it was picked by.
        """
        counting = _scores(some)
        if not counting:
            return ()
        settings, usual = self.measuring.ground.settings, self.measuring.usual
        most, found = fmean(counting) + LUCK * sigma, list[float]()
        for one in some:
            aside = [measured.run for measured in one.set_aside]
            claimed = [run for run in aside if not why_disturbed(run, settings, usual)]
            found += [score for score in noise.scores_of(claimed) if score <= most]
            found += noise.scores_of([one.run])
        return tuple(found)

    def _noise(self, *groups: Group) -> Noise:
        """Of all runs of the campaign that were made together, with these groups added."""
        known = [*noise.groups_of(self.experiments), *groups]
        first = self.experiments[0].scores if self.experiments else groups[0].scores
        accelerator = self.measuring.ground.machine.accelerator
        return noise.pool(known, noise.prior(first[0], accelerator=accelerator))


def _held_to(keep: Decision, second: Decision | Arm) -> Decision | Arm:
    """The keep, if it is one as well with the runs that were set aside for their steps alone.

    Where these leave it open, whose code to run once more; where they are against it, no verdict.
    """
    if isinstance(second, Arm):
        return second
    if second.verdict is Verdict.KEEP:
        return keep
    detail = f"{keep.detail}; with the runs that claim fewer steps it would not be kept"
    return Decision(Verdict.DISTURBED, Reason.FEWER_STEPS, detail)


def _scores(settled: Sequence[Settled]) -> tuple[float, ...]:
    return noise.scores_of(one.run for one in settled)


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
