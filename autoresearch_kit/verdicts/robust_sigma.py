"""A robust estimate of sigma, the spread between runs of the same code, from groups of runs.

The code is written by whoever wants it kept, and a run can be disturbed, so that no run and no code
may move sigma far. Three steps:

1. A start that outliers can't break: a generalized S-estimator of scale, whose equation is over the
   differences of pairs, each clipped at `CLIP` sigma (Croux, Rousseeuw and Hössjer, "Generalized
   S-estimators", JASA 89, 1994; the clipped square is that of Huber's Proposal 2, Annals of
   Mathematical Statistics 35, 1964).
2. One pooled estimate, reweighted (Rousseeuw and Leroy, Robust Regression and Outlier Detection,
   1987, section 5.2): groups that the chi-squared distribution of variances calls too wide or too
   narrow are left out, the others are pooled over their degrees of freedom. The prior counts with
   its own (the scale of the scaled inverse chi-squared posterior; Gelman et al., Bayesian Data
   Analysis, section 2.6). A code other than the baseline counts for `CODE_DOF` at most.
3. A floor and a ceiling: the 98% interval of what the prior and the baseline's runs alone say. The
   baseline is the user's code, and no number of other codes gets sigma out of there. Where the
   start lies outside, it is replaced by theirs, so that codes that are all wild, or all agree, are
   recognised as such.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.special import chdtr, chdtri

from autoresearch_kit.records import Noise
from autoresearch_kit.verdicts.runs_by_code import BASELINE

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

EXACT = 1e-9
"""The share by which numbers may differ that are taken to be the same: sums in another order."""

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
    return replace(trusted, sigma=min(max(pooled.sigma, low), high))


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
    noise = replace(before, sigma=sigma)
    for _ in range(PASSES):
        ratios = variances / noise.sigma**2
        inside = weights * ((low < ratios) & (ratios < high))
        dof = before.dof + float(inside.sum())
        squares = before.dof * before.sigma**2 + float(inside @ (variances / mean))
        last, noise = noise, replace(before, sigma=math.sqrt(squares / dof), dof=dof)
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
