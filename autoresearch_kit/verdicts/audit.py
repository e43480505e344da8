"""The held-out audit: what was kept for its score on val, held against its score on audit.

No verdict and no researcher sees the audit's data: a shard of text, or the hidden part of a task
that only keeps are measured on. The same submissions are scored on both, so a gain on val that
audit does not show is no luck of a seed: the search has fitted what it is scored on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from autoresearch_kit.records import Experiment, Metric, Score, Task, by_finish, latest_noise
from autoresearch_kit.records.text import rounded
from autoresearch_kit.verdicts.noise import of_metric

ALLOWED_SIGMAS = 2.0
"""Sigmas by which the gain on val may exceed that on audit."""


@dataclass(frozen=True)
class Audited:
    """A keep's scores on both, in the metric's unit: means over its runs that have both.

    `parted` is the gain on val since the baseline minus the gain on audit: above 0, the search
    gained more where it looked.
    """

    number: int
    val: float
    audit: float
    parted: float


@dataclass(frozen=True)
class SecondOpinion:
    """The keeps that were audited, the baseline first; `warning` is empty if the gains agree.

    `allowed` is what `parted` may be, in the metric's unit; None while the noise is not known.
    `val` names the data that decide the verdicts.
    """

    keeps: tuple[Audited, ...] = ()
    allowed: float | None = None
    warning: str = ""
    val: str = "val"


def second_opinion(experiments: Sequence[Experiment]) -> SecondOpinion:
    """Hold val against audit over a campaign; without an audit of the baseline there is no keep."""
    if not experiments:
        return SecondOpinion()
    task = experiments[0].settings.task
    metric = audited_metric(task)
    keeps = tuple(_audited(experiments, metric))
    decided = metric == task.objective
    noise = latest_noise(experiments) if decided else of_metric(experiments, metric)
    errors = _reported_errors(experiments, metric)
    allowed = ALLOWED_SIGMAS * max([noise.sigma, *errors]) if noise else None
    val = "hidden/" if task.folder else "val"
    return SecondOpinion(keeps, allowed, _warning(metric, keeps, allowed, val), val)


def audited_metric(task: Task) -> Metric:
    """Return the metric that is measured on both: the first objective, if it is the task's own.

    The kit's metrics say nothing of the data: where one of them comes first, it is the first of the
    task's own.
    """
    return task.objective if task.objective in task.metrics else task.metrics[0]


def _audited(experiments: Sequence[Experiment], metric: Metric) -> Iterator[Audited]:
    start: tuple[float, float] | None = None
    for experiment in by_finish(experiments):
        runs = [(run.score, run.audit) for run in experiment.runs if run.score and run.audit]
        if not runs:
            continue
        val, audit = (
            fmean(_value(score, metric) for score in side) for side in zip(*runs, strict=True)
        )
        if experiment.number == 0:
            start = val, audit
        if experiment.kept and start:
            parted = metric.sign * ((start[0] - val) - (start[1] - audit))
            yield Audited(experiment.number, val, audit, parted)


def _reported_errors(experiments: Sequence[Experiment], metric: Metric) -> Iterator[float]:
    """Yield the standard errors that keeps' measurements reported on either: they part the two."""
    for run in (run for experiment in experiments if experiment.kept for run in experiment.runs):
        if run.score and run.audit:
            yield run.score.errors.get(metric.name, 0.0)
            yield run.audit.errors.get(metric.name, 0.0)


def _value(score: Score, metric: Metric) -> float:
    """Return the metric's value; a score of an older version has no other than its own."""
    return score.values.get(metric.name, score.value)


def _warning(metric: Metric, keeps: Sequence[Audited], allowed: float | None, val: str) -> str:
    if allowed is None or not keeps or keeps[-1].parted <= allowed:
        return ""
    start, last = keeps[0], keeps[-1]
    first = next(keep.number for keep in keeps if keep.parted > allowed)
    gains = (metric.sign * (start.val - last.val), metric.sign * (start.audit - last.audit))
    on_val, on_audit, parted, most = (rounded(each) for each in (*gains, last.parted, allowed))
    unit = f" {metric.unit}" if metric.unit else f" of {metric.name}"
    return (
        f"since the baseline, experiment {last.number} gained {on_val}{unit} on {val} and "
        f"{on_audit} on audit: they part by {parted}, more than {ALLOWED_SIGMAS:g} sigma ({most}), "
        f"since experiment {first}. The search fits the data that it is scored on: believe the "
        f"gain on audit, and go on from a keep before experiment {first}, in a new campaign on "
        "other data"
    )
