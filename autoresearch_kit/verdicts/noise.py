"""The noise: the spread between runs of the same code, which verdicts are held against.

Runs of one code differ by their seed (initial weights, order of the data) and by what the machine
did meanwhile. All codes of a campaign are taken to have the same spread sigma. It is estimated from
groups of runs of one code that were made together, so that a machine that drifts does not count as
noise. An idea's first run is left out: the idea got more runs because that one was low. How they
are pooled is told in `robust_sigma`.

The prior is a share of the baseline's score, which was measured for language models. Nobody knows
one for another metric: there, what the baseline's own first runs say stands in its place. Where
these agree exactly, sigma is 0, and the spread of other code counts for that code alone.

Scores of a metric that takes only some values agree by chance: see `resolution`.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from scipy.special import stdtrit

from autoresearch_kit.records import KIT_METRICS, VAL_BPB, Experiment, Metric, Noise
from autoresearch_kit.records.text import rounded
from autoresearch_kit.verdicts.resolution import resolution
from autoresearch_kit.verdicts.robust_sigma import Group, pool
from autoresearch_kit.verdicts.runs_by_code import BASELINE, made_together, runs_by_code, scores_of

PRIOR_DOF = 3.0
"""Three runs alone put sigma anywhere between a quarter and 1.7 of its truth. The baseline's three
weigh less than the prior, so that one of them that went wrong raises sigma by half at most."""

CPU_SPREAD = 0.0045
"""Share of the baseline's score. Pairs and triples of seeds at 60 s on two cores: 0.0055 of 1.22.
"""

GPU_SPREAD = 0.0006
"""The share at 300 s on an H100: two seeds of karpathy/autoresearch lay 0.0007 apart at 0.973, and
two runs differ by sqrt(2) sigma."""

UNSURE = 1.25
"""Factor on what the baseline's runs say of a metric's noise where nobody knew it before. From five
runs it is too small more often than not, and all ideas of a night are held against the same: in
simulations 4% instead of 13% of nights without a real gain had a keep (benchmarks/verdicts.py)."""


def prior(score: float, *, accelerator: bool) -> Noise:
    """Return the noise that is assumed for such a baseline before anything was repeated."""
    return Noise(score * (GPU_SPREAD if accelerator else CPU_SPREAD), PRIOR_DOF)


def measured(
    metric: Metric,
    baseline: Sequence[float],
    groups: Iterable[Group],
    *,
    accelerator: bool,
    others: Iterable[float] = (),
) -> Noise | None:
    """Return the noise of a metric after these groups; None where nothing tells it.

    `baseline` are the scores of the baseline's own runs, which are among the groups too. That is
    all there is to begin with for another metric than `val_bpb`: a single run tells nothing.
    `others` are scores of any code, which tell the metric's resolution.
    """
    if metric == VAL_BPB:
        return pool(groups, prior(baseline[0], accelerator=accelerator))
    first, known = Group(BASELINE, tuple(baseline)), list(groups)
    if first.dof < 1:
        return None
    # the kit's own metrics vary continuously, or, as the number of nodes, are no matter of luck
    step = 0.0 if metric.name in KIT_METRICS else resolution([*baseline, *others])
    if first.variance == 0:  # then no other code can change it
        again = [group for group in known if group.code == BASELINE and group.dof > 0]
        dof = sum(group.dof for group in again)
        squares = sum(group.dof * group.variance for group in again)
        return Noise(math.sqrt(squares / dof), dof, step)
    known.remove(first)
    return pool(known, Noise(UNSURE * math.sqrt(first.variance), first.dof, step))


def between_steps(noise: Noise) -> Noise:
    """Return the noise of a metric of which the baseline's runs all had the same value.

    Where it takes only some values, the next one comes as often as one in so many runs and two more
    (Laplace's rule of succession). Else there is no noise.
    """
    often = 1 / (noise.dof + 3)
    return replace(noise, sigma=UNSURE * noise.step * math.sqrt(often * (1 - often)))


def groups_of(experiments: Sequence[Experiment], metric: Metric | None = None) -> list[Group]:
    """Return the groups of scores that these experiments made, by this metric.

    Without one, by the campaign's first objective.
    """
    groups = (Group(code, scores_of(runs, metric)) for code, runs in made_together(experiments))
    return [group for group in groups if group.dof > 0]


def all_scores(experiments: Sequence[Experiment], metric: Metric) -> Iterator[float]:
    """Yield the scores by this metric of all runs of all codes."""
    for runs in runs_by_code(experiments).values():
        yield from scores_of(runs, metric)


def of_metric(experiments: Sequence[Experiment], metric: Metric) -> Noise | None:
    """Return the noise of a metric after these experiments; None where nothing tells it."""
    baseline = scores_of(experiments[0].runs, metric) if experiments else ()
    if not baseline:
        return None
    accelerator = any(run.gpu_mb is not None for run in experiments[0].runs)
    groups, others = groups_of(experiments, metric), all_scores(experiments, metric)
    return measured(metric, baseline, groups, accelerator=accelerator, others=others)


def reach(noise: Noise, scores: int) -> float:
    """Return how far from a mean of so many scores one more run of the code falls 19 times of 20.

    In the metric's unit, to either side: Student's t, times the error of the difference.
    """
    return float(stdtrit(noise.dof, 0.975)) * math.hypot(noise.sigma, noise.error(scores))


def describe(noise: Noise) -> str:
    """Return sigma, what it rests on, and how far apart luck alone puts two runs, in words."""
    if noise.sigma == 0:
        step = rounded(noise.step, noise.step)
        luck = f"; a difference of {step} may be luck" if noise.step else ""
        return f"none: {noise.dof + 1:.3g} runs of the baseline measured the same{luck}"
    sigma, apart = (rounded(each, each) for each in (noise.sigma, reach(noise, 1)))
    return (
        f"sigma {sigma} on {noise.dof:.3g} degrees of freedom; two runs of the same code "
        f"lie less than {apart} apart, 19 times out of 20"
    )
