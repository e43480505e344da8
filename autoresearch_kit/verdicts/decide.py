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
runs are pooled with no others, and most gains add up, so that less is asked of it.

The numbers were chosen on simulated nights; benchmarks/verdicts.py prints what they do.
"""

import math
from dataclasses import dataclass, replace

from autoresearch_kit.records import Arm, Gain, Noise, Reason, Rule, Verdict
from autoresearch_kit.records.text import rounded
from autoresearch_kit.verdicts.gains import (
    agree_too_well,
    gain_of,
    in_words,
    possible_loss,
    probability_at_known_sigma,
    probability_better,
    shown_gain,
    surely_agree_too_well,
)
from autoresearch_kit.verdicts.samples import Best, Sample

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

BESIDE = 2
"""The fewest runs of the best, and of the idea after its first, before the idea is kept."""

MOST_RUNS = 6
"""The most runs of an idea."""

MERGED_RUNS = 3
"""The fewest runs of merged code, all with fresh seeds."""

MERGED_SURE = 0.9
"""The probability of being better than today's best at which merged code is kept."""

MERGED_DOUBT = 0.5
"""The probability below which merged code is discarded."""


@dataclass(frozen=True)
class Decision:
    """A verdict, why, and the same in a sentence with numbers; `gain` is over the best."""

    verdict: Verdict
    reason: Reason
    detail: str
    gain: Gain | None = None


def decide(
    challenger: Sample, best: Best, noise: Noise | None, rule: Rule, *, merged: bool = False
) -> Decision | Arm:
    """Return the verdict on the challenger, or whose code to run once more before there is one.

    A keep must hold with the scores as claimed, too. Where these leave it open, more runs are
    needed; where they are against it, the experiment is disturbed. Where no noise is known, one run
    decides.

    `merged`: the idea had passed against the best that it was built on, and was merged onto today's
    best. `challenger` has only runs of the merged code: at least `MERGED_RUNS`, at most
    `MOST_RUNS`. They are compared with the latest runs of today's best, which need not be run
    again: they are as new as the keep that made the merge necessary.
    """
    if rule is Rule.GREEDY or noise is None:
        return greedy(challenger, best)
    judge = _decide_merged if merged else _decide
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
    one_seed = agree_too_well(challenger.scores, noise)
    gain = gain_of(own, other, noise, one_seed=one_seed)
    surely = surely_agree_too_well(challenger.scores, noise)
    # of runs that all measure the same, more say no more
    last = len(challenger.scores) >= MOST_RUNS or (beside and gain.error == 0)

    bar = LIKELY if last and not one_seed else SURE
    better = (beside or last) and probability_better(gain) >= bar
    margin = _margin(own, other, noise, best.lost)
    doubt = _doubt(own, noise, simpler=margin >= 0, beside=beside, one_seed=surely)
    ended = _ended(gain, margin, doubt, better=better, last=last)
    if ended is None:
        return Arm.CHALLENGER if len(challenger.scores) - 1 <= len(best.beside) else Arm.BEST
    detail = _detail(own, f"{other}{' beside it' if beside else ''}", gain)
    why = _why(ended[1], other.nodes - own.nodes, one_seed=one_seed)
    return Decision(*ended, detail + why, gain)


def _decide_merged(challenger: Sample, best: Best, noise: Noise) -> Decision | Arm:
    runs, other = len(challenger.scores), best.recent
    if runs < MERGED_RUNS:
        return Arm.CHALLENGER
    one_seed = agree_too_well(challenger.scores, noise)
    gain = gain_of(challenger, other, noise, one_seed=one_seed)
    surely = surely_agree_too_well(challenger.scores, noise)
    last = runs >= MOST_RUNS or surely or gain.error == 0  # more such runs say no more
    better = probability_better(gain) >= MERGED_SURE
    margin = _margin(challenger, other, noise, best.lost)
    ended = _ended(gain, margin, MERGED_DOUBT, better=better, last=last)
    if ended is None:
        return Arm.CHALLENGER
    detail = "merged onto today's best: " + _detail(challenger, str(other), gain)
    why = _why(ended[1], other.nodes - challenger.nodes, one_seed=one_seed)
    return Decision(*ended, detail + why, gain)


def _margin(own: Sample, other: Sample, noise: Noise, lost: float) -> float:
    """Return the loss that simpler code may have; below 0 where a tie is not enough."""
    return MARGIN * noise.sigma - lost if own.nodes < other.nodes else -math.inf


def _ended(
    gain: Gain, margin: float, doubt: float, *, better: bool, last: bool
) -> tuple[Verdict, Reason] | None:
    """Return the verdict and why, None where it takes more runs; `last`: there are none to come.

    The idea is known to be `better`, or given up below `doubt`, the probability of a gain.
    """
    hope = probability_at_known_sigma(gain)
    if better:
        return Verdict.KEEP, Reason.BETTER
    if last and possible_loss(gain) <= margin:
        return Verdict.KEEP, Reason.SIMPLER
    if last or hope < doubt:
        return Verdict.DISCARD, Reason.NO_GAIN if hope > 1 - DOUBT else Reason.WORSE
    return None


def _detail(own: Sample, other: str, gain: Gain) -> str:
    error = f" ± {rounded(gain.error)}" if gain.error else ""
    return (
        f"{own.metric.name} {own} against the best's {other}: {in_words(own.metric, gain, error)}"
    )


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
