"""What a campaign knows by now of the score of each code that it has tried.

A verdict is held against what was known when it was given, and its detail says so. The best is run
again later, and sigma becomes better known: the latest of both is what people are shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from autoresearch_kit.records import Experiment, Noise, best_of, latest_noise
from autoresearch_kit.records.digits import with_error
from autoresearch_kit.verdicts.noise import scores_by_code


@dataclass(frozen=True)
class Estimate:
    """The mean of `scores` scores of one code; its standard error, None if no noise is known."""

    value: float
    scores: int
    error: float | None

    def __str__(self) -> str:
        return with_error(self.value, self.error)


def estimates(experiments: Sequence[Experiment]) -> dict[int, Estimate]:
    """Of each code that did not crash, by its experiment's number; re-runs of it are counted in."""
    noise, scores = latest_noise(experiments), scores_by_code(experiments)
    return {
        one.number: estimate(scores[one.number], noise)
        for one in experiments
        if one.val_bpb is not None and one.number in scores
    }


def estimate(scores: Sequence[float], noise: Noise | None) -> Estimate:
    """Of a code with these scores, of which there is at least one."""
    return Estimate(fmean(scores), len(scores), noise.error(len(scores)) if noise else None)


def best_estimate(experiments: Sequence[Experiment]) -> Estimate | None:
    """Of the latest keep; None before there is one."""
    best = best_of(experiments)
    return estimates(experiments).get(best.number) if best else None
