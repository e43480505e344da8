"""Keep or discard, given the scores and the noise: pure functions.

The rule `careful` looks after each run at the probability that the challenger's code is better
than the best's: Student's t of the difference of their mean scores over its standard error,
sigma * sqrt(1/n + 1/m), on the degrees of freedom that sigma was estimated from (with flat priors
on both means that is the Bayesian posterior probability; Box and Tiao, Bayesian Inference in
Statistical Analysis, section 2.5). Clearly not better: discard, mostly after one run. Clearly
better, in at least `KEPT_RUNS` runs: keep. In between: one more run of whichever of the two has
fewer, since that lowers the error most, and a re-run of the best serves all later verdicts too. At
the limit what is still open is a tie, and a tie is kept only where the code got simpler.

The numbers were chosen on simulated nights; benchmarks/verdicts.py prints what they do.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import fmean

from scipy.special import stdtr

from autoresearch_kit.errors import FingerprintError
from autoresearch_kit.records import Arm, Fingerprint, Noise, Reason, Rule, Verdict

DECIMALS = 6
"""Scores are equal when they are at this many decimals: what is shown is what is compared."""

SURE = 0.998
"""Kept at this probability of being better. It is looked at after each run, and most edits are no
gain, so that it has to be high for one keep in ten to be false."""

LIKELY = 0.99
"""Kept at this one when the limit of runs is reached."""

FIRST_DOUBT = 0.75
"""Discarded below this one after a single run: a gain of three sigma rarely looks so bad."""

DOUBT = 0.85
"""The same after more runs."""

SIMPLER_DOUBT = 0.25
"""The same for code that got simpler, for which a tie is enough."""

KEPT_RUNS = 3
"""What is kept has so many runs at least: all later ideas are held against it, and a score that
was picked for being low is too low."""

MOST_RUNS = 6
"""Of a challenger, and of the best while it has no more than its challenger."""

_WAYS_OUT: Mapping[str, str] = {
    "corpus": "prepare the corpus that it was started with again",
    "tokenizer": "prepare the corpus with the tokenizer that it was started with",
    "packing": "prepare the corpus with the version of the kit that it was started with",
    "scoring": "go on with the version of the kit and the scoring size it was started with",
    "torch": "install the torch that it was started with",
    "device": "go on where it was started",
    "clock": "go on with the clock that it was started with",
}


@dataclass(frozen=True)
class Sample:
    """The scores of one code, in bits per byte, and the syntax-tree nodes of its editable cells."""

    scores: tuple[float, ...]
    nodes: int

    @property
    def mean(self) -> float:
        """Of the scores."""
        return fmean(self.scores)


@dataclass(frozen=True)
class Decision:
    """A verdict, why, and the same in a sentence with numbers."""

    verdict: Verdict
    reason: Reason
    detail: str


def decide(challenger: Sample, best: Sample, noise: Noise, rule: Rule) -> Decision | Arm:
    """The verdict on the challenger, or whose code to run once more before there is one."""
    if rule is Rule.GREEDY:
        return greedy(challenger, best)
    better = probability_better(challenger, best, noise)
    simpler = challenger.nodes < best.nodes
    runs = len(challenger.scores)
    if better >= SURE and runs >= KEPT_RUNS:
        return _decision(Verdict.KEEP, Reason.BETTER, challenger, best, noise)
    if better < _doubt(runs, simpler=simpler):
        reason = Reason.NO_GAIN if better > 1 - DOUBT else Reason.WORSE
        return _decision(Verdict.DISCARD, reason, challenger, best, noise)
    if better >= SURE:
        return Arm.CHALLENGER
    if runs < MOST_RUNS:
        return Arm.BEST if len(best.scores) <= runs else Arm.CHALLENGER
    if better >= LIKELY:
        return _decision(Verdict.KEEP, Reason.BETTER, challenger, best, noise)
    if simpler:
        return _decision(Verdict.KEEP, Reason.SIMPLER, challenger, best, noise)
    return _decision(Verdict.DISCARD, Reason.NO_GAIN, challenger, best, noise)


def _doubt(runs: int, *, simpler: bool) -> float:
    """Below which probability an idea is given up after so many runs."""
    if simpler:
        return SIMPLER_DOUBT
    return FIRST_DOUBT if runs == 1 else DOUBT


def probability_better(challenger: Sample, best: Sample, noise: Noise) -> float:
    """How likely the challenger's code is to score lower than the best's, in [0, 1]."""
    gain = best.mean - challenger.mean
    return float(stdtr(noise.dof, gain / error_of_gain(challenger, best, noise)))


def error_of_gain(challenger: Sample, best: Sample, noise: Noise) -> float:
    """The standard error of the difference of their means, in bits per byte."""
    return math.hypot(noise.error(len(challenger.scores)), noise.error(len(best.scores)))


def _decision(
    verdict: Verdict, reason: Reason, challenger: Sample, best: Sample, noise: Noise
) -> Decision:
    gain = best.mean - challenger.mean
    error = error_of_gain(challenger, best, noise)
    detail = (
        f"{_mean(challenger)} against the best's {_mean(best)}: {abs(gain):.6f} ± {error:.6f} "
        f"{'lower' if gain >= 0 else 'higher'}"
    )
    if reason is Reason.SIMPLER:
        detail += f", a tie with {best.nodes - challenger.nodes} syntax-tree nodes less"
    elif reason is Reason.NO_GAIN:
        detail += ", which may be luck"
    return Decision(verdict, reason, detail)


def _mean(sample: Sample) -> str:
    count = len(sample.scores)
    return f"{sample.mean:.6f}" + (f" (mean of {count})" if count > 1 else "")


def greedy(challenger: Sample, best: Sample) -> Decision:
    """Lower is kept, and what is the same with less code: karpathy/autoresearch's rule."""
    gain = round(best.mean, DECIMALS) - round(challenger.mean, DECIMALS)
    scores = f"{_mean(challenger)} against the best's {_mean(best)}"
    if gain > 0:
        return Decision(Verdict.KEEP, Reason.BETTER, f"{scores}: {gain:.6f} lower")
    if gain < 0:
        return Decision(Verdict.DISCARD, Reason.WORSE, f"{scores}: {-gain:.6f} higher")
    fewer = best.nodes - challenger.nodes
    if fewer > 0:
        detail = f"{scores}: the same with {fewer} syntax-tree nodes less"
        return Decision(Verdict.KEEP, Reason.SIMPLER, detail)
    return Decision(Verdict.DISCARD, Reason.NO_GAIN, f"{scores}: the same, and no less code")


def check_comparable(a: Fingerprint, b: Fingerprint) -> None:
    """Look whether scores measured under `a` (a campaign's) and `b` (what is here) compare.

    Raises:
        FingerprintError: they don't; the message names the parts that differ and the way out.
    """
    was, now = asdict(a), asdict(b)
    differing = [part for part in was if was[part] != now[part]]
    if differing:
        parts = ", ".join(f"{part} was {was[part]}, is {now[part]}" for part in differing)
        ways = "; ".join(_WAYS_OUT[part] for part in differing)
        raise FingerprintError(
            f"scores can't be compared: {parts}. For this campaign, {ways}; or start another tag"
        )
