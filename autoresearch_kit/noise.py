"""How far runs of the same code lie apart: the noise that verdicts are held against.

Runs of one code differ by their seed (initial weights, order of the data) and by what the machine
did meanwhile. All codes of a campaign are taken to have the same spread sigma. It is estimated from
every code that was run more than once: sums of squares about each code's own mean, pooled over
their degrees of freedom, with a prior that counts as `PRIOR_DOF` more (the mean of the
scaled inverse chi-squared posterior's scale; Gelman et al., Bayesian Data Analysis, section 2.6).
"""

import math
from collections.abc import Iterable, Sequence
from statistics import fmean

from scipy.special import stdtrit

from autoresearch_kit.records import Experiment, Noise, Run
from autoresearch_kit.validity import as_fast

PRIOR_DOF = 2.0
"""Three runs alone put sigma anywhere between a quarter and 1.7 of its truth; with these two
degrees of freedom it is between 0.7 and 1.5, if the prior is right."""

CPU_SPREAD = 0.0045
"""Of the baseline's score. Pairs and triples of seeds at 60 s on two cores: 0.0055 of 1.22."""

GPU_SPREAD = 0.0006
"""The same at 300 s on an H100: two seeds of karpathy/autoresearch lay 0.0007 apart at 0.973, and
two runs differ by sqrt(2) sigma."""


def prior(score: float, *, accelerator: bool) -> Noise:
    """What is believed of a campaign whose baseline scored so, before anything was repeated."""
    return Noise(score * (GPU_SPREAD if accelerator else CPU_SPREAD), PRIOR_DOF)


def pool(groups: Iterable[Sequence[float]], before: Noise) -> Noise:
    """The noise after these groups of scores, each of one code, when `before` was believed."""
    squares, dof = before.dof * before.sigma**2, before.dof
    for scores in groups:
        mean = fmean(scores)
        squares += sum((score - mean) ** 2 for score in scores)
        dof += len(scores) - 1
    return Noise(math.sqrt(squares / dof), dof)


def reach(noise: Noise, scores: int) -> float:
    """How far from the mean of so many scores one more run of the same code falls, 19 times of 20.

    In bits per byte, to either side: Student's t, times the error of the difference.
    """
    return float(stdtrit(noise.dof, 0.975)) * math.hypot(noise.sigma, noise.error(scores))


def describe(noise: Noise) -> str:
    """The noise for people: sigma, what it rests on, and how far apart luck alone puts two runs."""
    return (
        f"sigma {noise.sigma:.2g} on {noise.dof:g} degrees of freedom; two runs of the same code "
        f"lie less than {reach(noise, 1):.2g} apart, 19 times of 20"
    )


def scores_by_code(experiments: Sequence[Experiment]) -> dict[int, tuple[float, ...]]:
    """All scores of each experiment's code that count, by its number, where there are any.

    Those of its own runs come first, then those of re-runs that later experiments asked for while
    it was the best.
    """
    runs = runs_by_code(experiments)
    return {number: scores for number, some in runs.items() if (scores := scores_of(some))}


def scores_of(runs: Iterable[Run]) -> tuple[float, ...]:
    """The scores of these runs, in bits per byte, where they have one."""
    return tuple(run.score.value for run in runs if run.score)


def runs_by_code(experiments: Sequence[Experiment]) -> dict[int, list[Run]]:
    """The runs of each experiment's code that count, by its number, in the same order.

    Where re-runs show that the machine is faster or slower than it was, those of before don't.
    """
    found: dict[int, list[Run]] = {}
    best = 0
    for one in experiments:
        found[one.number] = list(one.runs)
        if one.rerun_scores:
            found[best] = [*as_fast(found[best], one.reruns), *one.reruns]
        if one.kept:
            best = one.number
    return found
