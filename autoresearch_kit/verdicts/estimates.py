"""Estimates of the score of each code that a campaign has tried, from all its runs.

A verdict was given on what was known then. The best is run again later, and sigma becomes better
known: people are shown the latest of both.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from autoresearch_kit.records import Experiment, Noise, best_of, latest_noise
from autoresearch_kit.records.text import with_error
from autoresearch_kit.verdicts.runs_by_code import reported, runs_by_code, scores_of


@dataclass(frozen=True)
class Estimate:
    """The mean of so many scores of one code; its standard error, None if no noise is known."""

    value: float
    scores: int
    error: float | None

    def __str__(self) -> str:
        return with_error(self.value, self.error)


def estimates(experiments: Sequence[Experiment]) -> dict[int, Estimate]:
    """Return the estimate of each scored experiment by its number; later runs of it count."""
    if not experiments:
        return {}
    noise, metric = latest_noise(experiments), experiments[0].settings.task.objective
    runs, known = runs_by_code(experiments), dict[int, Estimate]()
    for each in experiments:
        scores = scores_of(runs[each.number])
        if each.score is not None and scores:
            known[each.number] = estimate(scores, noise, reported(runs[each.number], metric))
    return known


def estimate(scores: Sequence[float], noise: Noise | None, reported: float = 0.0) -> Estimate:
    """Return the estimate of a code from its scores, of which there is at least one.

    `reported` is the standard error that the measurement itself gives, which no number of runs
    makes smaller.
    """
    error = max(noise.error(len(scores)), reported) if noise else reported or None
    return Estimate(fmean(scores), len(scores), error)


def error_between(first: Estimate, second: Estimate) -> float | None:
    """Return the standard error of the difference of two estimates, None if no noise is known."""
    if first.error is None or second.error is None:
        return None
    return math.hypot(first.error, second.error)


def best_estimate(experiments: Sequence[Experiment]) -> Estimate | None:
    """Return the estimate of the latest keep, or None before there is one."""
    best = best_of(experiments)
    return estimates(experiments).get(best.number) if best else None
