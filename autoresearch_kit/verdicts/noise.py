"""The noise: the spread between runs of the same code, which verdicts are held against.

Runs of one code differ by their seed (initial weights, order of the data) and by what the machine
did meanwhile. All codes of a campaign are taken to have the same spread sigma. It is estimated from
groups of runs of one code that were made together, so that a machine that drifts does not count as
noise. An idea's first run is left out: the idea got more runs because that one was low.

The code is written by whoever wants it kept, and a run can be disturbed, so that no run and no code
may move sigma far. Three steps:

1. A start that outliers can't break: a generalized S-estimator of scale, whose equation is over the
   differences of pairs, each clipped at `CLIP` sigma (Croux, Rousseeuw and Hössjer, "Generalized
   S-estimators", JASA 89, 1994; the clipped square is that of Huber's Proposal 2, Annals of
   Mathematical Statistics 35, 1964).
2. One pooled estimate, reweighted (Rousseeuw and Leroy, Robust Regression and Outlier Detection,
   1987, section 5.2): groups that the chi-squared distribution of variances calls too wide or too
   narrow are left out, the others are pooled over their degrees of freedom. The prior counts as
   `PRIOR_DOF` more (the scale of the scaled inverse chi-squared posterior; Gelman et al., Bayesian
   Data Analysis, section 2.6). A code other than the baseline counts for `CODE_DOF` at most.
3. A floor and a ceiling: the 98% interval of what the prior and the baseline's runs alone say. The
   baseline is the user's code, and no number of other codes gets sigma out of there. Where the
   start lies outside, it is replaced by theirs, so that codes that are all wild, or all agree, are
   recognised as such.

The prior is a share of the baseline's score, which was measured for language models. Nobody knows
one for another metric: there, what the baseline's own first runs say stands in its place. Where
these agree exactly, sigma is 0, and the spread of other code counts for that code alone.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, wraps
from itertools import combinations
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy.special import chdtr, chdtri, stdtrit

from autoresearch_kit.records import VAL_BPB, Experiment, Metric, Noise, Run, by_finish
from autoresearch_kit.verdicts.validity import as_fast

PRIOR_DOF = 3.0
"""Three runs alone put sigma anywhere between a quarter and 1.7 of its truth. The baseline's three
weigh less than the prior, so that one of them that went wrong raises sigma by half at most."""

CODE_DOF = 4.0
"""Degrees of freedom of one code at most, however often it was run. The baseline has no bound."""

NARROW, WIDE = 0.05, 0.15
"""Groups whose spread is among the narrowest or the widest such share of groups, by the noise as it
is estimated, are left out; the estimate is corrected for that."""

EDGE = 0.01
"""Sigma stays between these quantiles, from either end, of what prior and baseline alone say."""

CLIP = 0.7
"""Bound on differences in the start, in sigma; larger is more efficient and less robust."""

PASSES = 10
"""Rounds of choosing and pooling groups; more change nothing on simulated nights."""

BASELINE = 0
"""The number of the baseline, whose code is trusted."""

CPU_SPREAD = 0.0045
"""Share of the baseline's score. Pairs and triples of seeds at 60 s on two cores: 0.0055 of 1.22.
"""

UNSURE = 1.25
"""Factor on what the baseline's runs say of a metric's noise where nobody knew it before. From five
runs it is too small more often than not, and all ideas of a night are held against the same: in
simulations 4% instead of 13% of nights without a real gain had a keep (benchmarks/verdicts.py)."""

EXACT = 1e-9
"""The share by which numbers may differ that are taken to be the same: sums in another order."""

GPU_SPREAD = 0.0006
"""The share at 300 s on an H100: two seeds of karpathy/autoresearch lay 0.0007 apart at 0.973, and
two runs differ by sqrt(2) sigma."""

T = TypeVar("T")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Group:
    """Scores of one code, by its number, from two or more runs that were made together."""

    code: int
    scores: tuple[float, ...]

    @property
    def dof(self) -> int:
        """Return the degrees of freedom."""
        return len(self.scores) - 1

    @cached_property
    def variance(self) -> float:
        """Return the unbiased variance of the scores about their mean."""
        return spread(self.scores)

    @cached_property
    def pairs(self) -> tuple[float, ...]:
        """Return half the squared difference of each pair: estimates of sigma^2."""
        return tuple((a - b) ** 2 / 2 for a, b in combinations(self.scores, 2))


def spread(scores: Sequence[float]) -> float:
    """Return the unbiased variance of two or more scores about their mean; 0 if they are equal."""
    same = max(scores) - min(scores) <= EXACT * max(map(abs, scores))
    return 0.0 if same else float(np.var(scores, ddof=1))


def prior(score: float, *, accelerator: bool) -> Noise:
    """Return the noise that is assumed for such a baseline before anything was repeated."""
    return Noise(score * (GPU_SPREAD if accelerator else CPU_SPREAD), PRIOR_DOF)


def measured(
    metric: Metric, baseline: Sequence[float], groups: Iterable[Group], *, accelerator: bool
) -> Noise | None:
    """Return the noise of a metric after these groups; None where nothing tells it.

    `baseline` are the scores of the baseline's own runs, which are among the groups too. That is
    all there is to begin with for another metric than `val_bpb`: a single run tells nothing.
    """
    if metric == VAL_BPB:
        return pool(groups, prior(baseline[0], accelerator=accelerator))
    first, known = Group(BASELINE, tuple(baseline)), list(groups)
    if first.dof < 1:
        return None
    if first.variance == 0:  # then no other code can change it
        again = [group for group in known if group.code == BASELINE and group.dof > 0]
        dof = sum(group.dof for group in again)
        squares = sum(group.dof * group.variance for group in again)
        return Noise(math.sqrt(squares / dof), dof)
    known.remove(first)
    return pool(known, Noise(UNSURE * math.sqrt(first.variance), first.dof))


def pool(groups: Iterable[Group], before: Noise) -> Noise:
    """Return the noise after these groups, when `before` was believed.

    Groups of a single run say nothing. Where `before` is no noise at all, no code changes that.
    """
    if before.sigma == 0:
        return before
    known = [group for group in groups if group.dof > 0]
    baseline = [group for group in known if group.code == BASELINE]
    trusted = _reweighted(baseline, before, _start(baseline, before))
    low, high = _interval(trusted)
    start = _start(known, before)
    # a start outside means that codes are all wild, or all agree: only the baseline tells then
    pooled = _reweighted(known, before, start if low <= start <= high else trusted.sigma)
    if low <= pooled.sigma <= high:
        return pooled
    return Noise(min(max(pooled.sigma, low), high), trusted.dof)


def _weights(groups: Sequence[Group]) -> Floats:
    """Return the degrees of freedom of each group, those of one code together `CODE_DOF` at most.

    The baseline's code, which is trusted, has no such bound.
    """
    totals = Counter[int]()
    for group in groups:
        totals[group.code] += group.dof
    shares = (1 if g.code == BASELINE else min(1, CODE_DOF / totals[g.code]) for g in groups)
    return np.array([group.dof * share for group, share in zip(groups, shares, strict=True)])


def _start(groups: Sequence[Group], before: Noise) -> float:
    """Return a robust sigma: the root of the clipped pairs' equation, by fixed-point iteration."""
    bound = CLIP**2
    # the mean of min(x, bound), where x is chi-squared with one degree of freedom
    expected = float(chdtr(3, bound) + bound * (1 - chdtr(1, bound)))
    weights = _weights(groups)
    pairs = np.array([pair for group in groups for pair in group.pairs])
    counts = [len(group.pairs) for group in groups]
    shares = np.repeat(weights / np.array(counts), counts)
    dof = before.dof + float(weights.sum())
    square = before.sigma**2
    for _ in range(200):
        clipped = float(shares @ np.minimum(pairs, bound * square)) / expected
        last, square = square, (before.dof * before.sigma**2 + clipped) / dof
        if math.isclose(last, square, rel_tol=1e-6):
            break
    return math.sqrt(square)


def _reweighted(groups: Sequence[Group], before: Noise, sigma: float) -> Noise:
    """Return the pooled estimate of the groups that are neither too wide nor too narrow.

    Which those are is judged by `sigma` at first, then by each estimate in turn.
    """
    weights, variances = _weights(groups), np.array([group.variance for group in groups])
    low, high, mean = np.array([_usual(group.dof) for group in groups]).reshape(-1, 3).T
    noise = Noise(sigma, before.dof)
    for _ in range(PASSES):
        ratios = variances / noise.sigma**2
        inside = weights * ((low < ratios) & (ratios < high))
        dof = before.dof + float(inside.sum())
        squares = before.dof * before.sigma**2 + float(inside @ (variances / mean))
        last, noise = noise, Noise(math.sqrt(squares / dof), dof)
        if last == noise:
            break
    return noise


@lru_cache
def _usual(dof: int) -> tuple[float, float, float]:
    """Return the bounds of a group's variance over sigma^2, and its mean between them.

    By the chi-squared distribution.
    """
    low, high = float(chdtri(dof, 1 - NARROW)), float(chdtri(dof, WIDE))
    inside = chdtr(dof + 2, high) - chdtr(dof + 2, low)
    return low / dof, high / dof, float(inside / (1 - NARROW - WIDE))


def _interval(noise: Noise) -> tuple[float, float]:
    """Return where sigma lies but for `EDGE` on either side, by its degrees of freedom."""
    most, least = chdtri(noise.dof, EDGE), chdtri(noise.dof, 1 - EDGE)
    return noise.sigma * math.sqrt(noise.dof / most), noise.sigma * math.sqrt(noise.dof / least)


def agree_too_well(scores: Sequence[float], noise: Noise, chance: float) -> bool:
    """Return whether these runs of one code agree better than honest ones do with this probability.

    Code that fixes its own seed has the same luck in every run: they say no more than one of them.
    """
    return len(scores) > 1 and noise.sigma > 0 and _position(scores, noise) < chance


def error_of_mean(scores: Sequence[float], noise: Noise, chance: float) -> float:
    """Return the standard error of the mean of these scores of one code, in the metric's unit.

    It is sigma / sqrt(n), unless the scores are an exception by the chi-squared distribution of
    their variance, as honest ones are with the probability `chance`: of runs that agree too well
    one counts, and runs that lie too far apart (one of them was disturbed, or the code is unstable)
    have their own spread. Without noise in the baseline's runs, that is all there is.
    """
    if noise.sigma == 0:
        return math.sqrt(spread(scores) / len(scores)) if len(scores) > 1 else 0.0
    if agree_too_well(scores, noise, chance):
        return noise.sigma
    if len(scores) > 1 and _position(scores, noise) > 1 - chance:
        return math.sqrt(float(np.var(scores, ddof=1)) / len(scores))
    return noise.error(len(scores))


def _position(scores: Sequence[float], noise: Noise) -> float:
    """Return the share of groups of as many runs that would spread less than this one."""
    squares = len(scores) * float(np.var(scores))
    return float(chdtr(len(scores) - 1, squares / noise.sigma**2))


def reach(noise: Noise, scores: int) -> float:
    """Return how far from a mean of so many scores one more run of the code falls 19 times of 20.

    In the metric's unit, to either side: Student's t, times the error of the difference.
    """
    return float(stdtrit(noise.dof, 0.975)) * math.hypot(noise.sigma, noise.error(scores))


def describe(noise: Noise) -> str:
    """Return sigma, what it rests on, and how far apart luck alone puts two runs, in words."""
    if noise.sigma == 0:
        return f"none: {noise.dof + 1:.3g} runs of the baseline measured the same"
    return (
        f"sigma {noise.sigma:.2g} on {noise.dof:.3g} degrees of freedom; two runs of the same code "
        f"lie less than {reach(noise, 1):.2g} apart, 19 times out of 20"
    )


def _remembered(work: Callable[[Sequence[Experiment]], T]) -> Callable[[Sequence[Experiment]], T]:
    """Return `work`, which gives its last result again while the experiments are the same.

    A campaign asks at each run that is over, and 2,000 experiments take 20 ms to go through. The
    result belongs to all who get it: it must not be changed.
    """
    known: list[tuple[tuple[Experiment, ...], T]] = []

    @wraps(work)
    def asked(experiments: Sequence[Experiment]) -> T:
        given, last = tuple(experiments), known[:]  # other threads ask as well
        if not last or last[0][0] != given:
            known[:] = last = [(given, work(given))]
        return last[0][1]

    return asked


def groups_of(experiments: Sequence[Experiment], metric: Metric | None = None) -> list[Group]:
    """Return the groups of scores that these experiments made, by this metric.

    Without one, by the campaign's first objective.
    """
    groups = (Group(code, scores_of(runs, metric)) for code, runs in _made_together(experiments))
    return [group for group in groups if group.dof > 0]


def of_metric(experiments: Sequence[Experiment], metric: Metric) -> Noise | None:
    """Return the noise of a metric after these experiments; None where nothing tells it."""
    baseline = scores_of(experiments[0].runs, metric) if experiments else ()
    if not baseline:
        return None
    accelerator = any(run.gpu_mb is not None for run in experiments[0].runs)
    return measured(metric, baseline, groups_of(experiments, metric), accelerator=accelerator)


@_remembered
def _made_together(experiments: Sequence[Experiment]) -> Sequence[tuple[int, Sequence[Run]]]:
    """Return the code and the runs of each group: an experiment's own, and those of the best."""
    groups = list[tuple[int, Sequence[Run]]]()
    for experiment in experiments:
        # an idea was picked by its first run; merged code, like the baseline's, was not
        fresh = experiment.number == BASELINE or experiment.passed
        scored = [run for run in experiment.runs if run.score]
        groups.append((experiment.number, scored[0 if fresh else 1 :]))
    groups += _reruns(experiments)
    for experiment in experiments:
        groups += [(experiment.number, passed.runs[1:]) for passed in experiment.passed]
    return groups


@_remembered
def runs_by_code(experiments: Sequence[Experiment]) -> Mapping[int, Sequence[Run]]:
    """Return the runs of each experiment's code that count, by its number.

    Its own come first, then those that other experiments asked for while it was the best. Where
    these show that the machine is faster or slower than it was, runs of before don't count.
    """
    runs: dict[int, Sequence[Run]] = {each.number: each.runs for each in experiments}
    for code, reruns in _reruns(experiments):
        if scores_of(reruns):
            runs[code] = [*as_fast(runs[code], reruns), *reruns]
    return runs


def shared_reruns(experiments: Sequence[Experiment], code: int) -> int:
    """Return how many different re-runs of this code these experiments have."""
    return sum(len(runs) for number, runs in _reruns(experiments) if number == code)


@_remembered
def _reruns(experiments: Sequence[Experiment]) -> Sequence[tuple[int, Sequence[Run]]]:
    """Return the code and the re-runs of each experiment, a run that several share only once."""
    found, best = list[tuple[int, Sequence[Run]]](), BASELINE
    seen = set[tuple[int, int, float | None]]()
    for experiment in by_finish(experiments):
        against = best if experiment.against is None else experiment.against
        asked = [(passed.base, passed.reruns) for passed in experiment.passed]
        for code, reruns in [*asked, (against, experiment.reruns)]:
            names = [(code, run.seed, run.score.value if run.score else None) for run in reruns]
            new = [run for run, name in zip(reruns, names, strict=True) if name not in seen]
            seen.update(names)
            found.append((code, new))
        if experiment.kept:
            best = experiment.number
    return found


def scores_by_code(
    experiments: Sequence[Experiment], metric: Metric | None = None
) -> dict[int, tuple[float, ...]]:
    """Return the scores of `runs_by_code` by this metric, where there are any."""
    runs = runs_by_code(experiments)
    return {number: scores for number, some in runs.items() if (scores := scores_of(some, metric))}


def scores_of(runs: Iterable[Run], metric: Metric | None = None) -> tuple[float, ...]:
    """Return the scores of these runs by this metric, where they have one.

    Without a metric, by the campaign's first objective.
    """
    scores = (run.score for run in runs if run.score)
    if metric is None:
        return tuple(score.value for score in scores)
    values = (score.of(metric.name) for score in scores)
    return tuple(value for value in values if value is not None)


def reported(runs: Iterable[Run], metric: Metric) -> float:
    """Return the standard error that the measurement reported of the metric; 0 where it did not.

    The largest of these runs'. All were measured on the same hidden data, so that the mean of
    several is no more certain than one.
    """
    return max((run.score.errors.get(metric.name, 0.0) for run in runs if run.score), default=0.0)
