"""The gain of one code over another: its standard error, and how probable it is.

A measurement may report the standard error of its number, such as that of an estimate from one
fixed log. All runs share the data behind it, so that more runs make it no smaller: it is the error
of a code's mean wherever it is larger than what the runs themselves say. The errors of two codes
are added as if they were independent. On the same data they mostly rise and fall together, and the
error of the difference is then smaller: real gains are missed, false ones are not kept.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

from scipy.special import chdtr, stdtr, stdtrit

from autoresearch_kit.records import Experiment, Gain, Metric, Noise, Reason
from autoresearch_kit.records.text import rounded
from autoresearch_kit.verdicts.noise import between_steps
from autoresearch_kit.verdicts.robust_sigma import EXACT, spread
from autoresearch_kit.verdicts.samples import Sample

NOT_WORSE = 0.95
"""The probability of being within the margin at which simpler code is kept."""

ODD = 0.005
"""Runs of one code that agree or differ as much as one set in 200 does by chance are not taken for
chance: see `error_of_mean`."""

SAME_LUCK = 0.1
"""Runs count as one only if their spread is below so many sigma, too. Code may have less noise than
the baseline, and six runs of a third of it are odd more often than not: see benchmarks/README.md.
"""

REPORTED_DOF = 1000.0
"""Degrees of freedom of a reported standard error: there are many rows behind it."""


def gain_of(challenger: Sample, best: Sample, noise: Noise, *, one_seed: bool = False) -> Gain:
    """Return by how much the challenger's code scores better than the best's, with its error.

    The error of the difference is that of both means; the challenger's runs count as one if
    `one_seed` says so.
    """
    value = challenger.metric.sign * (best.mean - challenger.mean)
    if abs(value) <= EXACT * abs(best.mean):
        value = 0.0
    elif noise.sigma == 0:
        noise = between_steps(noise)
    own, own_dof = error_of(challenger, noise, one_seed=one_seed)
    other, other_dof = error_of(best, noise)
    return Gain(value, math.hypot(own, other), min(own_dof, other_dof))


def error_of(sample: Sample, noise: Noise, *, one_seed: bool = False) -> tuple[float, float]:
    """Return the standard error of a code's mean, and the degrees of freedom behind that.

    Where the baseline has no noise, that of code with some is known from its own few runs only.
    """
    error = noise.sigma if one_seed else error_of_mean(sample.scores, noise)
    if sample.error > error:
        return sample.error, REPORTED_DOF
    if noise.sigma == 0 and error > 0:
        return error, len(sample.scores) - 1.0
    return error, noise.dof


def agree_too_well(scores: Sequence[float], noise: Noise, *, unseen: float = 0.0) -> bool:
    """Return whether these runs of one code agree better than all but `ODD` of honest ones.

    Code that fixes its own seed has the same luck in every run: they say no more than one of them.
    `unseen` is added to their variance.
    """
    if len(scores) < 2 or spread(scores) >= (SAME_LUCK * noise.sigma) ** 2:
        return False
    return _position(spread(scores) + unseen, len(scores) - 1, noise) < ODD


def surely_agree_too_well(scores: Sequence[float], noise: Noise) -> bool:
    """Return whether that is so even if the scores differ by less than the metric's step.

    Rounding to steps takes a twelfth of their square from the variance (Sheppard's correction).
    """
    return agree_too_well(scores, noise, unseen=noise.step**2 / 12)


def error_of_mean(scores: Sequence[float], noise: Noise) -> float:
    """Return the standard error of the mean of these scores of one code, in the metric's unit.

    It is sigma / sqrt(n), unless the scores are an exception by the chi-squared distribution of
    their variance, as honest ones are with the probability `ODD`: of runs that agree too well
    one counts, and runs that lie too far apart (one of them was disturbed, or the code is unstable)
    have their own spread. Without noise in the baseline's runs, that is all there is.
    """
    if noise.sigma == 0:
        return math.sqrt(spread(scores) / len(scores)) if len(scores) > 1 else 0.0
    if surely_agree_too_well(scores, noise):
        return noise.sigma
    if len(scores) > 1 and _position(spread(scores), len(scores) - 1, noise) > 1 - ODD:
        return math.sqrt(spread(scores) / len(scores))
    return noise.error(len(scores))


def _position(variance: float, dof: int, noise: Noise) -> float:
    """Return which share of such groups of runs has a smaller variance than this."""
    return float(chdtr(dof, dof * variance / noise.sigma**2))


def probability_better(gain: Gain) -> float:
    """Return the probability that there is a gain, in [0, 1]."""
    if gain.error == 0:
        return 0.5 if gain.value == 0 else float(gain.value > 0)
    return float(stdtr(gain.dof, gain.value / gain.error))


def possible_loss(gain: Gain) -> float:
    """Return the loss, in the metric's unit, that is exceeded with probability 1 - `NOT_WORSE`."""
    return max(0.0, float(stdtrit(gain.dof, NOT_WORSE)) * gain.error - gain.value)


def possible_losses(experiments: Sequence[Experiment]) -> float:
    """Return the sum of what keeps for less code may have lost since the last better keep."""
    lost = 0.0
    for each in experiments:
        if each.reason is Reason.TRADE_OFF:  # it does not replace the best
            continue
        if each.kept and each.reason is not Reason.SIMPLER:
            lost = 0.0
        elif each.kept:
            lost += possible_loss(each.gain) if each.gain else math.inf
    return lost


def probability_at_known_sigma(gain: Gain) -> float:
    """Return the probability of a gain with sigma taken as known, to ask whether to go on."""
    return NormalDist(0.0, gain.error).cdf(gain.value) if gain.error else probability_better(gain)


def shown_gain(challenger: Sample, best: Sample) -> float:
    """Return by how much a code's mean score is better, of both as they are shown."""
    was, is_now = (float(rounded(each.mean)) for each in (best, challenger))
    return challenger.metric.sign * (was - is_now)


def in_words(metric: Metric, gain: Gain, error: str = "") -> str:
    """Return how far a code's score is from the best's, in words."""
    if gain.value == 0 and not error:
        return "the same"
    unit = f" {metric.unit}" if metric.unit else ""
    side = "lower" if metric.sign * gain.value >= 0 else "higher"
    return f"{rounded(abs(gain.value))}{error}{unit} {side}"
