"""The metrics of runs besides the one that decides: their means, and these in words."""

from collections.abc import Sequence
from statistics import fmean

from autoresearch_kit.records.runs import Run
from autoresearch_kit.records.tasks import Task
from autoresearch_kit.records.text import rounded


def values_of(runs: Sequence[Run]) -> dict[str, float]:
    """Return the mean of each metric over these runs, but for the one that decides."""
    scores = [run.score for run in runs if run.score]
    names = dict.fromkeys(name for score in scores for name in score.values if name != score.metric)
    return {
        name: fmean(score.values[name] for score in scores if name in score.values)
        for name in names
    }


def other_values(task: Task, runs: Sequence[Run]) -> str:
    """Return `, NAME VALUE` for the other objectives, bounded metrics and metrics of the task.

    Values are means over these runs; empty where nothing else was measured.
    """
    names = dict.fromkeys([*task.decisive, *(metric.name for metric in task.metrics)])
    known = values_of(runs)
    return "".join(f", {name} {rounded(known[name])}" for name in names if name in known)
