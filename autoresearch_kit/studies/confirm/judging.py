"""Judge the keeps by the runs of a confirmation, and choose the runs that come next.

All variants are run under the same seeds, in turn, so that neither a lucky seed nor a drift of the
machine favours one of them; errors are computed as if the runs were independent, which overstates
them. The best, with which all are compared, is run more often: for k variants with n runs each,
n * sqrt(k) times, which makes the differences most precise for a given number of runs (Dunnett,
1955). Scores of the campaign itself are not used, since the best was chosen by them.

The worth of a keep is the mean without it minus the best's mean, and the probability that it helps
is `probability_better`. An unclear keep gets more runs, up to `MORE` times as many. A run
that the machine disturbed is repeated with its seed once the machine is quiet, and does not count
if it stays disturbed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from autoresearch_kit.records import Noise, Run
from autoresearch_kit.reports.confirmation import Finding, Trial, Trials, Worth
from autoresearch_kit.studies.confirm.plan import Plan, Variant
from autoresearch_kit.verdicts.gains import gain_of, probability_better
from autoresearch_kit.verdicts.repeats import least_disturbed, once_more
from autoresearch_kit.verdicts.robust_sigma import Group, pool
from autoresearch_kit.verdicts.runs_by_code import reported
from autoresearch_kit.verdicts.samples import Sample

REAL = 0.95  # a keep is real if it helps with this probability
FALSE = 0.5  # a keep is false below this probability, and unclear in between

DOUBT = 0.8
"""A keep that makes the code longer is pruned below this probability. Pruning only below `FALSE`
leaves more false keeps, pruning below `REAL` loses more true gain: see benchmarks/confirming.py."""

MORE = 2  # an unclear keep gets up to so many times as many runs as the others


@dataclass(frozen=True)
class Todo:
    """A run to do: this variant, under seed number `at`, from 0."""

    variant: Variant
    at: int

    def __str__(self) -> str:
        return f"{self.variant}, seed {self.at + 1}"


@dataclass(frozen=True)
class Standing:
    """The state of a confirmation; `counts` says how many runs each code should have by now.

    `pruned` is the best without the keeps that don't stay, None until all keeps are judged.
    """

    plan: Plan
    trials: Trials
    counts: Mapping[str, int]
    pruned: Variant | None = None

    @cached_property
    def variants(self) -> Mapping[str, Variant]:
        """Return the variants by the digest of their code; each code is run once for all."""
        known = [self.plan.best, *self.plan.without, *([self.pruned] if self.pruned else [])]
        return {variant.code: variant for variant in known}

    @cached_property
    def todo(self) -> tuple[Todo, ...]:
        """Return the runs to do, the variants in turn; a variant that crashed gets none."""
        lacking = [
            ((at + 0.5) / count, Todo(self.variants[code], at))
            for code, count in self.counts.items()
            for at in range(count)
            if (code, at) not in self._runs
            and (code == self.plan.best.code or not self.crash(code))
        ]
        return tuple(todo for _, todo in sorted(lacking, key=lambda pair: pair[0]))

    @property
    def left(self) -> int:
        """Return how many runs are left at least, those of the pruned best included."""
        comes_later = self.pruned is None and len(self.plan.compared) > 1
        return len(self.todo) + (self.trials.seeds if comes_later else 0)

    @property
    def more(self) -> int:
        """Return how many runs may follow those that are left, if every keep stays unclear."""
        if self.pruned:
            return 0
        most, compared = MORE * self.trials.seeds, self.plan.compared
        more = [most - self.counts[code] for code in compared if not self.crash(code)]
        best = best_runs(most, len(compared)) - self.counts[self.plan.best.code]
        return sum(more) + max(0, best)

    def runs(self, code: str) -> list[Run]:
        """Return the runs of this code that count."""
        asked = ((code, at) for at in range(self.counts.get(code, 0)))
        return [run for key in asked if (run := self._runs.get(key))]

    def crash(self, code: str) -> Run | None:
        """Return a run of this code that crashed, if any did."""
        return next((run for run in self.runs(code) if run.failure), None)

    def sample(self, variant: Variant) -> Sample | None:
        """Return the scores of a variant; None where there are none."""
        scores = self._scores(variant.code)
        if not scores:
            return None
        metric = self.trials.metric
        error = reported(self.runs(variant.code), metric)
        return Sample(scores, variant.nodes, metric=metric, error=error)

    @cached_property
    def noise(self) -> Noise:
        """Return the campaign's noise, updated by these runs; the pruned best's are left out."""
        codes = enumerate([self.plan.best.code, *self.plan.compared])
        groups = (Group(number, self._scores(code)) for number, code in codes)
        return pool(groups, self.trials.believed)

    def worth(self, variant: Variant) -> Worth | None:
        """Return by how much the best is better than a variant; None where either has no score."""
        best, without = self.sample(self.plan.best), self.sample(variant)
        if best is None or without is None:
            return None
        gain = gain_of(best, without, self.noise)
        return Worth(gain.value, gain.error, probability_better(gain))

    def finding(self, variant: Variant) -> Finding:
        """Return the finding on the keep that this variant lacks, apart from other keeps."""
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
        """Return the run that counts for each code and seed; None where all were disturbed."""
        tried: dict[tuple[str, int], list[Trial]] = {}
        for trial in self.trials.done:
            tried.setdefault((trial.code, trial.at), []).append(trial)
        over = {key: least_disturbed(some) for key, some in tried.items() if not once_more(some)}
        return {key: None if trial.disturbed else trial.run for key, trial in over.items()}


def standing_of(plan: Plan, trials: Trials) -> Standing:
    """Return the state after these runs: with runs to do, or at the end.

    It depends only on the runs, not on their order or on where they were interrupted. The pruned
    best is known once all other variants have been run.
    """
    best = {plan.best.code: best_runs(trials.seeds, len(plan.compared))} if plan.compared else {}
    standing = Standing(plan, trials, best | dict.fromkeys(plan.compared, trials.seeds))
    while not standing.todo:
        unclear = [
            variant.code for variant in plan.without if standing.finding(variant) is Finding.UNCLEAR
        ]
        unclear = [code for code in unclear if standing.counts[code] < MORE * trials.seeds]
        if not unclear or not standing.sample(plan.best):
            return _prune(standing)
        standing = Standing(plan, trials, _more(standing, list(dict.fromkeys(unclear))))
    return standing


def best_runs(each: int, variants: int) -> int:
    """Return how often to run the best, if so many variants are run `each` times each."""
    return max(each, round(each * math.sqrt(variants)))


def _more(standing: Standing, unclear: Sequence[str]) -> dict[str, int]:
    """Add a run for each of these codes, and runs of the best in proportion."""
    counts = dict(standing.counts)
    for code in unclear:
        counts[code] += 1
    best, most = standing.plan.best.code, max(counts[code] for code in unclear)
    counts[best] = max(counts[best], best_runs(most, len(unclear)))
    return counts


def _prune(standing: Standing) -> Standing:
    """Return the state with the pruned best, whose runs exist if a variant has the same code."""
    plan, trials = standing.plan, standing.trials
    pairs = zip(plan.keeps, plan.without, strict=True)
    pruned = plan.leave_out(
        [keep.number for keep, each in pairs if _is_to_be_pruned(standing, each)]
    )
    counts = dict(standing.counts)
    if pruned.code != plan.best.code:
        counts.setdefault(pruned.code, trials.seeds)
    return Standing(plan, trials, counts, pruned)


def _is_to_be_pruned(standing: Standing, variant: Variant) -> bool:
    """Return True if the keep that this variant lacks is pruned; sooner if code gets shorter."""
    if standing.finding(variant) not in (Finding.FALSE, Finding.UNCLEAR):
        return False
    worth = standing.worth(variant)
    limit = DOUBT if variant.nodes <= standing.plan.best.nodes else FALSE
    return worth is not None and worth.helps < limit
