"""Keep or discard, given the scores and the noise: pure functions.

The rule `careful` has two parts. **Is a gain likely?** After each run of the idea, its runs are
compared with the best's latest ones, however old; what is not likely to be better is discarded,
mostly after one run. **Is it sure?** What is likely is compared with re-runs of the best that are
made in turn with its own, and with nothing else: not with older runs, since a machine gets faster
and slower over a night, and without the idea's first run, which it was picked by. It is kept if its
code is better with probability `SURE`: Student's t of the difference of the mean scores over its
standard error, on the degrees of freedom that sigma was estimated from (with flat priors on both
means that is the Bayesian posterior probability; Box and Tiao, Bayesian Inference in Statistical
Analysis, section 2.5).

Less code is kept for a tie, if it is shown to be no worse than the best by more than `MARGIN`
sigma: a test of non-inferiority (Wellek, Testing Statistical Hypotheses of Equivalence and
Noninferiority, section 1.4). What such a keep may have lost is taken off the margin of the next
ones, until a keep is better again, so that many small losses can't add up.

An idea that passed, while another was kept, is merged onto that one. The merged code is new: its
runs are pooled with no others, and most gains add up, so that `decide_merged` asks for less.

A measurement may report the standard error of its number, such as that of an estimate from one
fixed log. All runs share the data behind it, so that more runs make it no smaller: it is the error
of a code's mean wherever it is larger than what the runs themselves say. The errors of two codes
are added as if they were independent. On the same data they mostly rise and fall together, and the
error of the difference is then smaller: real gains are missed, false ones are not kept.

The numbers were chosen on simulated nights; benchmarks/verdicts.py prints what they do.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist, fmean

from scipy.special import stdtr, stdtrit

from autoresearch_kit.records import (
    VAL_BPB,
    Arm,
    Experiment,
    Gain,
    Metric,
    Noise,
    Reason,
    Rule,
    Verdict,
)
from autoresearch_kit.records.text import rounded
from autoresearch_kit.verdicts.noise import EXACT, agree_too_well, error_of_mean

SURE = 0.998
"""The probability of being better at which an idea is kept. It is computed after each run, and most
edits are no gain, so that it has to be high for a night on which nothing helps to end without a
keep."""

LIKELY = 0.985
"""The probability at which an idea is kept when the limit of runs is reached."""

FIRST_DOUBT = 0.8
"""The probability below which an idea is discarded after one run: a gain of three sigma rarely
looks so bad."""

DOUBT = 0.85
"""The probability below which it is discarded after more runs, without runs of the best beside."""

SURE_DOUBT = 0.75
"""The probability below which it is discarded once the best was run beside it: that comparison has
fewer runs, and the first run is not in it."""

SIMPLER_DOUBT = 0.5
"""The probability below which code that got simpler is discarded, for which a tie is enough."""

MARGIN = 0.5
"""The loss in sigma that simpler code may have, with all such keeps since the last better one."""

NOT_WORSE = 0.95
"""The probability of being within the margin at which simpler code is kept."""

ODD = 0.005
"""Runs of one code that agree or differ as much as one set in 200 does by chance are not taken for
chance: see `noise.error_of_mean`."""

BESIDE = 2
"""The fewest runs of the best, and of the idea after its first, before the idea is kept."""

RECENT = 6
"""The number of the best's latest runs that count: older ones tell of the machine as it was."""

MOST_RUNS = 6
"""The most runs of an idea."""

REPORTED_DOF = 1000.0
"""Degrees of freedom of a reported standard error: there are many rows behind it."""

MERGED_RUNS = 3
"""The fewest runs of merged code, all with fresh seeds."""

MERGED_SURE = 0.9
"""The probability of being better than today's best at which merged code is kept."""

MERGED_DOUBT = 0.5
"""The probability below which merged code is discarded."""


@dataclass(frozen=True)
class Sample:
    """The scores of one code by a metric, and the syntax-tree nodes of its editable cells.

    `error` is the standard error that the measurement reports of each score, 0 if it reports none.
    `claimed` are the scores with those of runs that were set aside only for the few steps that
    they claim; empty where there are none. See `repeats.claimed`.
    """

    scores: tuple[float, ...]
    nodes: int
    claimed: tuple[float, ...] = field(default=(), kw_only=True)
    metric: Metric = field(default=VAL_BPB, kw_only=True)
    error: float = field(default=0.0, kw_only=True)

    @property
    def mean(self) -> float:
        """Return the mean of the scores."""
        return fmean(self.scores)

    def __str__(self) -> str:
        count = len(self.scores)
        return rounded(self.mean) + (f" (mean of {count})" if count > 1 else "")

    def only(self, scores: tuple[float, ...]) -> "Sample":
        """Return the sample with these scores only."""
        return Sample(scores, self.nodes, metric=self.metric, error=self.error)


@dataclass(frozen=True)
class Best(Sample):
    """The best: `scores` are from before, those `beside` from re-runs made for this verdict.

    `lost` is what keeps for less code may have lost since the last that was better, in the metric's
    unit. `claimed` is in place of `beside`.
    """

    beside: tuple[float, ...] = ()
    lost: float = 0.0

    @classmethod
    def of(cls, sample: Sample) -> "Best":
        """Return the best with the scores of `sample`, and none beside."""
        return cls(sample.scores, sample.nodes, metric=sample.metric, error=sample.error)

    @property
    def recent(self) -> Sample:
        """Return the latest scores, those beside the challenger's among them."""
        return self.only((*self.scores, *self.beside)[-RECENT:])


@dataclass(frozen=True)
class Decision:
    """A verdict, why, and the same in a sentence with numbers; `gain` is over the best."""

    verdict: Verdict
    reason: Reason
    detail: str
    gain: Gain | None = None


def decide(challenger: Sample, best: Best, noise: Noise | None, rule: Rule) -> Decision | Arm:
    """Return the verdict on the challenger, or whose code to run once more before there is one.

    A keep must hold with the scores as claimed, too. Where these leave it open, more runs are
    needed; where they are against it, the experiment is disturbed. Where no noise is known, one run
    decides.
    """
    if rule is Rule.GREEDY or noise is None:
        return greedy(challenger, best)
    return _also_as_claimed(_decide, challenger, best, noise)


def decide_merged(
    challenger: Sample, best: Best, noise: Noise | None, rule: Rule
) -> Decision | Arm:
    """Return the verdict on code that was merged onto today's best, or whose code to run once more.

    The idea had passed against the best that it was built on. `challenger` has only runs of the
    merged code: at least `MERGED_RUNS`, at most `MOST_RUNS`. They are compared with the latest runs
    of today's best, which need not be run again: they are as new as the keep that made the merge
    necessary. The scores as claimed count as in `decide`.
    """
    if rule is Rule.GREEDY or noise is None:
        return greedy(challenger, best)
    return _also_as_claimed(_decide_merged, challenger, best, noise)


_Judge = Callable[[Sample, Best, Noise], Decision | Arm]


def _also_as_claimed(judge: _Judge, challenger: Sample, best: Best, noise: Noise) -> Decision | Arm:
    decided = judge(challenger, best, noise)
    if isinstance(decided, Arm) or decided.verdict is not Verdict.KEEP:
        return decided
    challenger = replace(challenger, scores=challenger.claimed or challenger.scores)
    best = replace(best, beside=best.claimed or best.beside)
    second = judge(challenger, best, noise)
    if isinstance(second, Arm):
        return second
    if second.verdict is Verdict.KEEP:
        return decided
    detail = f"{decided.detail}; with the runs that claim fewer steps it would not be kept"
    return Decision(Verdict.DISTURBED, Reason.FEWER_STEPS, detail)


def _decide(challenger: Sample, best: Best, noise: Noise) -> Decision | Arm:
    # with enough runs beside the challenger's, only those are compared, without its first
    beside = min(len(best.beside), len(challenger.scores) - 1) >= BESIDE
    own = challenger.only(challenger.scores[1:]) if beside else challenger
    other = best.only(best.beside) if beside else best.recent
    one_seed = agree_too_well(challenger.scores, noise, ODD)
    gain = gain_of(own, other, noise, one_seed=one_seed)
    margin = MARGIN * noise.sigma - best.lost
    simpler = own.nodes < other.nodes and margin >= 0
    # of runs that all measure the same, more say no more
    last = len(challenger.scores) >= MOST_RUNS or (beside and gain.error == 0)

    bar = LIKELY if last and not one_seed else SURE
    chance = probability_at_known_sigma(gain)
    if (beside or last) and probability_better(gain) >= bar:
        verdict, reason = Verdict.KEEP, Reason.BETTER
    elif last and simpler and possible_loss(gain) <= margin:
        verdict, reason = Verdict.KEEP, Reason.SIMPLER
    elif last or chance < _doubt(own, noise, simpler=simpler, beside=beside, one_seed=one_seed):
        verdict, reason = Verdict.DISCARD, Reason.NO_GAIN if chance > 1 - DOUBT else Reason.WORSE
    else:
        return Arm.CHALLENGER if len(challenger.scores) - 1 <= len(best.beside) else Arm.BEST
    detail = _detail(own, f"{other}{' beside it' if beside else ''}", gain)
    detail += _why(reason, other.nodes - own.nodes, one_seed=one_seed)
    return Decision(verdict, reason, detail, gain)


def _decide_merged(challenger: Sample, best: Best, noise: Noise) -> Decision | Arm:
    runs, other = len(challenger.scores), best.recent
    if runs < MERGED_RUNS:
        return Arm.CHALLENGER
    one_seed = agree_too_well(challenger.scores, noise, ODD)
    gain = gain_of(challenger, other, noise, one_seed=one_seed)
    margin = MARGIN * noise.sigma - best.lost
    simpler = challenger.nodes < other.nodes and margin >= 0
    last = runs >= MOST_RUNS or one_seed or gain.error == 0  # more such runs say no more

    chance = probability_at_known_sigma(gain)
    if probability_better(gain) >= MERGED_SURE:
        verdict, reason = Verdict.KEEP, Reason.BETTER
    elif last and simpler and possible_loss(gain) <= margin:
        verdict, reason = Verdict.KEEP, Reason.SIMPLER
    elif last or chance < MERGED_DOUBT:
        verdict, reason = Verdict.DISCARD, Reason.NO_GAIN if chance > 1 - DOUBT else Reason.WORSE
    else:
        return Arm.CHALLENGER
    detail = "merged onto today's best: " + _detail(challenger, str(other), gain)
    detail += _why(reason, other.nodes - challenger.nodes, one_seed=one_seed)
    return Decision(verdict, reason, detail, gain)


def probability_at_known_sigma(gain: Gain) -> float:
    """Return the probability of a gain with sigma taken as known, to ask whether to go on."""
    return NormalDist(0.0, gain.error).cdf(gain.value) if gain.error else probability_better(gain)


def _detail(own: Sample, other: str, gain: Gain) -> str:
    error = f" ± {rounded(gain.error)}" if gain.error else ""
    return (
        f"{own.metric.name} {own} against the best's {other}: {in_words(own.metric, gain, error)}"
    )


def in_words(metric: Metric, gain: Gain, error: str = "") -> str:
    """Return how far a code's score is from the best's, in words."""
    if gain.value == 0 and not error:
        return "the same"
    unit = f" {metric.unit}" if metric.unit else ""
    side = "lower" if metric.sign * gain.value >= 0 else "higher"
    return f"{rounded(abs(gain.value))}{error}{unit} {side}"


def _why(reason: Reason, fewer: int, *, one_seed: bool) -> str:
    why = ""
    if reason is Reason.SIMPLER:
        why = f", no worse than the margin, with {fewer} fewer syntax-tree nodes"
    elif reason is Reason.NO_GAIN:
        why = ", which may be luck"
    return why + ("; its runs agree as if it fixed its seed, and count as one" if one_seed else "")


def _doubt(own: Sample, noise: Noise, *, simpler: bool, beside: bool, one_seed: bool) -> float:
    """Return the probability of a gain below which an idea is given up."""
    if one_seed or own.error > noise.sigma:  # more such runs say no more: now or never
        return SURE
    if simpler:
        return SIMPLER_DOUBT
    if beside:
        return SURE_DOUBT
    return FIRST_DOUBT if len(own.scores) == 1 else DOUBT


def gain_of(challenger: Sample, best: Sample, noise: Noise, *, one_seed: bool = False) -> Gain:
    """Return by how much the challenger's code scores better than the best's, with its error.

    The error of the difference is that of both means; the challenger's runs count as one if
    `one_seed` says so.
    """
    own, own_dof = error_of(challenger, noise, one_seed=one_seed)
    other, other_dof = error_of(best, noise)
    value = challenger.metric.sign * (best.mean - challenger.mean)
    if abs(value) <= EXACT * abs(best.mean):
        value = 0.0
    return Gain(value, math.hypot(own, other), min(own_dof, other_dof))


def error_of(sample: Sample, noise: Noise, *, one_seed: bool = False) -> tuple[float, float]:
    """Return the standard error of a code's mean, and the degrees of freedom behind that.

    Where the baseline has no noise, that of code with some is known from its own few runs only.
    """
    error = noise.sigma if one_seed else error_of_mean(sample.scores, noise, ODD)
    if sample.error > error:
        return sample.error, REPORTED_DOF
    if noise.sigma == 0 and error > 0:
        return error, len(sample.scores) - 1.0
    return error, noise.dof


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


def greedy(challenger: Sample, best: Sample) -> Decision:
    """Keep what is better, or the same with less code: karpathy/autoresearch's rule.

    Scores are the same where they look the same: what is shown is what is compared.
    """
    metric, gain = challenger.metric, shown_gain(challenger, best)
    scores = f"{metric.name} {challenger} against the best's {best}"
    if gain:
        verdict, reason = Verdict.KEEP, Reason.BETTER
        if gain < 0:
            verdict, reason = Verdict.DISCARD, Reason.WORSE
        return Decision(verdict, reason, f"{scores}: {in_words(metric, Gain(gain, 0.0, 0.0))}")
    fewer = best.nodes - challenger.nodes
    if fewer > 0:
        detail = f"{scores}: the same with {fewer} fewer syntax-tree nodes"
        return Decision(Verdict.KEEP, Reason.SIMPLER, detail)
    return Decision(Verdict.DISCARD, Reason.NO_GAIN, f"{scores}: the same, and no less code")


def shown_gain(challenger: Sample, best: Sample) -> float:
    """Return by how much a code's mean score is better, of both as they are shown."""
    was, is_now = (float(rounded(each.mean)) for each in (best, challenger))
    return challenger.metric.sign * (was - is_now)
