"""What the runs of a confirmation say, and which come next: pure, so that it goes on anywhere.

All variants are run under the same seeds, in turn, so that neither a seed's luck nor a drift of the
machine hits one more than another; errors are computed as if the runs were independent, which errs
on the safe side. What all are held against, the best, is run more often: of k variants with n runs
each, n * sqrt(k) times, which makes the differences most precise for a number of runs (Dunnett,
1955). Scores of the campaign itself are not used: the best was chosen by them.

The worth of a keep is the mean without it less the best's mean, and the probability that it helps
is `decide.probability_better`. What is unclear is run on, up to `MORE` times as often. A run that
the machine disturbed is repeated with its seed, once the machine is quiet; one that stays disturbed
does not count.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from autoresearch_kit.records import Noise, Run
from autoresearch_kit.reports.confirmation import Finding, Trial, Trials, Worth
from autoresearch_kit.studies.confirm.plan import Plan, Variant
from autoresearch_kit.verdicts import decide, noise
from autoresearch_kit.verdicts.decide import Sample
from autoresearch_kit.verdicts.noise import Group
from autoresearch_kit.verdicts.validity import least_disturbed, once_more

REAL = 0.95
"""A keep is real if it helps with this probability."""

FALSE = 0.5
"""A keep is false below this one, and unclear in between."""

DOUBT = 0.8
"""What is less likely to help is pruned, since less is better. Pruning only below `FALSE` leaves
more false keeps, pruning below `REAL` loses more true gain: see benchmarks/confirming.py."""

MORE = 2
"""An unclear keep is left out in up to so many times as many runs as the others."""


@dataclass(frozen=True)
class Todo:
    """A run to do: of this variant, under seed number `at`."""

    variant: Variant
    at: int


@dataclass(frozen=True)
class Standing:
    """Where a confirmation stands: `counts` are the runs that each code is to have by now."""

    plan: Plan
    trials: Trials
    counts: Mapping[str, int]
    pruned: Variant | None = None

    @cached_property
    def todo(self) -> tuple[Todo, ...]:
        """The runs that lack, in order: of all variants in turn. Of one that crashed, none."""
        known = [self.plan.best, *self.plan.without, *([self.pruned] if self.pruned else [])]
        variants = {one.code: one for one in known if one.code in self.counts}
        lacking = [
            ((at + 0.5) / count, Todo(variants[code], at))
            for code, count in self.counts.items()
            for at in range(count)
            if (code, at) not in self._runs
            and (code == self.plan.best.code or not self.crash(code))
        ]
        return tuple(todo for _, todo in sorted(lacking, key=lambda pair: pair[0]))

    def runs(self, code: str) -> list[Run]:
        """The runs that count of this code."""
        asked = ((code, at) for at in range(self.counts.get(code, 0)))
        return [run for key in asked if (run := self._runs.get(key))]

    def crash(self, code: str) -> Run | None:
        """A run of this code that crashed."""
        return next((run for run in self.runs(code) if run.failure), None)

    def sample(self, variant: Variant) -> Sample | None:
        """Its scores; None where there are none."""
        scores = self._scores(variant.code)
        return Sample(scores, variant.nodes) if scores else None

    @cached_property
    def noise(self) -> Noise:
        """The campaign's, with the spread of these runs; the pruned best changes no finding."""
        codes = enumerate([self.plan.best.code, *self.plan.compared])
        groups = (Group(number, self._scores(code)) for number, code in codes)
        return noise.pool(groups, self.trials.believed)

    def worth(self, variant: Variant) -> Worth | None:
        """What the best is better by than this variant; None where either has no score."""
        best, without = self.sample(self.plan.best), self.sample(variant)
        if best is None or without is None:
            return None
        gain = decide.gain_of(best, without, self.noise)
        return Worth(gain.value, gain.error, decide.probability_better(gain))

    def finding(self, variant: Variant) -> Finding:
        """What is to be said of the keep that this variant lacks, others aside."""
        if variant.code == self.plan.best.code:
            return Finding.GONE
        if self.crash(variant.code):
            return Finding.NEEDED
        worth = self.worth(variant)
        if worth is None or FALSE <= worth.helps < REAL:
            return Finding.UNCLEAR
        return Finding.REAL if worth.helps >= REAL else Finding.FALSE

    def _scores(self, code: str) -> tuple[float, ...]:
        return tuple(run.score.value for run in self.runs(code) if run.score)

    @cached_property
    def _runs(self) -> Mapping[tuple[str, int], Run | None]:
        """The undisturbed one by code and seed; None where a seed was repeated often enough."""
        tried: dict[tuple[str, int], list[Trial]] = {}
        for one in self.trials.done:
            tried.setdefault((one.code, one.at), []).append(one)
        over = {key: least_disturbed(some) for key, some in tried.items() if not once_more(some)}
        return {key: None if one.disturbed else one.run for key, one in over.items()}


def stand(plan: Plan, trials: Trials) -> Standing:
    """Where the confirmation stands after these runs: with some to do, or at its end.

    Deterministic: verdicts rest on the runs that were asked for by then, in whatever order they
    were done. The pruned best is known once all others have been run.
    """
    standing = Standing(plan, trials, _first(plan, trials.seeds))
    while not standing.todo:
        unclear = [code for code in _open(standing) if standing.counts[code] < MORE * trials.seeds]
        if not unclear or not standing.sample(plan.best):
            return _prune(standing)
        standing = Standing(plan, trials, _more(standing, unclear))
    return standing


def best_runs(each: int, variants: int) -> int:
    """How often the best is run, where so many variants are held against it, `each` times each."""
    return max(each, round(each * math.sqrt(variants)))


def at_most(standing: Standing) -> int:
    """How many runs there may come beside those to do: all variants unclear, and the pruned."""
    if standing.pruned:
        return 0
    seeds, compared = standing.trials.seeds, standing.plan.compared
    more = [MORE * seeds - standing.counts[one] for one in compared if not standing.crash(one)]
    best = best_runs(MORE * seeds, len(compared)) - standing.counts[standing.plan.best.code]
    return sum(more) + max(0, best)


def pruned_runs(standing: Standing) -> int:
    """How many runs of the pruned best are to be expected beside those to do."""
    return 0 if standing.pruned or len(standing.plan.compared) < 2 else standing.trials.seeds


def _first(plan: Plan, seeds: int) -> dict[str, int]:
    if not plan.compared:
        return {}
    best = best_runs(seeds, len(plan.compared))
    return {plan.best.code: best} | dict.fromkeys(plan.compared, seeds)


def _open(standing: Standing) -> list[str]:
    """The codes of variants whose keep is unclear."""
    without = standing.plan.without
    codes = (one.code for one in without if standing.finding(one) is Finding.UNCLEAR)
    return list(dict.fromkeys(codes))


def _more(standing: Standing, unclear: Sequence[str]) -> dict[str, int]:
    """One run more for these, and as many for the best as that asks for."""
    counts = dict(standing.counts)
    for code in unclear:
        counts[code] += 1
    best = standing.plan.best.code
    counts[best] = max(counts[best], best_runs(max(map(counts.__getitem__, unclear)), len(unclear)))
    return counts


def _prune(standing: Standing) -> Standing:
    """The same with the pruned best: as it stands, where its code is a variant's."""
    plan, trials = standing.plan, standing.trials
    pairs = zip(plan.keeps, plan.without, strict=True)
    pruned = plan.leave_out([keep.number for keep, one in pairs if _goes(standing, one)])
    counts = dict(standing.counts)
    if pruned.code != plan.best.code:
        counts.setdefault(pruned.code, trials.seeds)
    return Standing(plan, trials, counts, pruned)


def _goes(standing: Standing, variant: Variant) -> bool:
    """Whether the keep that this variant lacks is pruned: more doubt does it if that is simpler."""
    if standing.finding(variant) not in (Finding.FALSE, Finding.UNCLEAR):
        return False
    worth = standing.worth(variant)
    limit = DOUBT if variant.nodes <= standing.plan.best.nodes else FALSE
    return worth is not None and worth.helps < limit
