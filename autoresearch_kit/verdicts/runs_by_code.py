"""The runs of each code that a campaign has tried, over all its experiments, and their scores."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import TypeVar

from autoresearch_kit.records import Experiment, Metric, Run, by_finish
from autoresearch_kit.verdicts.validity import as_fast

BASELINE = 0
"""The number of the baseline, whose code is trusted."""

T = TypeVar("T")


def _remembered(work: Callable[[Sequence[Experiment]], T]) -> Callable[[Sequence[Experiment]], T]:
    """Return `work`, which gives its last result again while the experiments are the same.

    A campaign asks at each run that is over, and 2,000 experiments take 20 ms to go through. The
    result belongs to all who get it: it must not be changed.
    """
    known: list[tuple[tuple[Experiment, ...], T]] = []

    @wraps(work)
    def asked(experiments: Sequence[Experiment]) -> T:
        given, last = tuple(experiments), known[:]  # other threads ask as well
        if not last or last[0][0] != given:
            known[:] = last = [(given, work(given))]
        return last[0][1]

    return asked


@_remembered
def made_together(experiments: Sequence[Experiment]) -> Sequence[tuple[int, Sequence[Run]]]:
    """Return the code and the runs of each group: an experiment's own, and those of the best."""
    groups = list[tuple[int, Sequence[Run]]]()
    for experiment in experiments:
        # an idea was picked by its first run; merged code, like the baseline's, was not
        fresh = experiment.number == BASELINE or experiment.passed
        scored = [run for run in experiment.runs if run.score]
        groups.append((experiment.number, scored[0 if fresh else 1 :]))
    groups += _reruns(experiments)
    for experiment in experiments:
        groups += [(experiment.number, passed.runs[1:]) for passed in experiment.passed]
    return groups


@_remembered
def runs_by_code(experiments: Sequence[Experiment]) -> Mapping[int, Sequence[Run]]:
    """Return the runs of each experiment's code that count, by its number.

    Its own come first, then those that other experiments asked for while it was the best. Where
    these show that the machine is faster or slower than it was, runs of before don't count.
    """
    runs: dict[int, Sequence[Run]] = {each.number: each.runs for each in experiments}
    for code, reruns in _reruns(experiments):
        if scores_of(reruns):
            runs[code] = [*as_fast(runs[code], reruns), *reruns]
    return runs


def shared_reruns(experiments: Sequence[Experiment], code: int) -> int:
    """Return how many different re-runs of this code these experiments have."""
    return sum(len(runs) for number, runs in _reruns(experiments) if number == code)


@_remembered
def _reruns(experiments: Sequence[Experiment]) -> Sequence[tuple[int, Sequence[Run]]]:
    """Return the code and the re-runs of each experiment, a run that several share only once."""
    found, best = list[tuple[int, Sequence[Run]]](), BASELINE
    seen = set[tuple[int, int, float | None]]()
    for experiment in by_finish(experiments):
        against = best if experiment.against is None else experiment.against
        asked = [(passed.base, passed.reruns) for passed in experiment.passed]
        for code, reruns in [*asked, (against, experiment.reruns)]:
            names = [(code, run.seed, run.score.value if run.score else None) for run in reruns]
            new = [run for run, name in zip(reruns, names, strict=True) if name not in seen]
            seen.update(names)
            found.append((code, new))
        if experiment.kept:
            best = experiment.number
    return found


def scores_by_code(experiments: Sequence[Experiment]) -> dict[int, tuple[float, ...]]:
    """Return the scores of `runs_by_code` by the first objective, where there are any."""
    runs = runs_by_code(experiments)
    return {number: scores for number, some in runs.items() if (scores := scores_of(some))}


def scores_of(runs: Iterable[Run], metric: Metric | None = None) -> tuple[float, ...]:
    """Return the scores of these runs by this metric, where they have one.

    Without a metric, by the campaign's first objective.
    """
    scores = (run.score for run in runs if run.score)
    if metric is None:
        return tuple(score.value for score in scores)
    values = (score.of(metric.name) for score in scores)
    return tuple(value for value in values if value is not None)


def reported(runs: Iterable[Run], metric: Metric) -> float:
    """Return the standard error that the measurement reported of the metric; 0 where it did not.

    The largest of these runs'. All were measured on the same hidden data, so that the mean of
    several is no more certain than one.
    """
    return max((run.score.errors.get(metric.name, 0.0) for run in runs if run.score), default=0.0)
