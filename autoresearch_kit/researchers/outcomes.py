"""The outcomes of changed constants: what experiments that ran the best's code came to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from autoresearch_kit.records import Constant, Experiment, Metric, Task, Verdict
from autoresearch_kit.researchers.base import View
from autoresearch_kit.researchers.duplicates import NOT_TRIED
from autoresearch_kit.verdicts.runs_by_code import scores_of

Values = dict[str, Constant]


@dataclass(frozen=True)
class Outcome:
    """One experiment: the values of all its constants, and its score by each objective, as numbers
    of which lower is better.

    A crash has finite `values` too, worse than all others. `moved` says which constants differ
    from its parent's: +1 up, -1 down, 0 for what is not a number. `outside` has for each bound how
    far it lies outside, as a share of the limit: 0 or less is within.
    """

    vector: Mapping[str, Constant]
    values: tuple[float, ...]
    kept: bool
    moved: Mapping[str, int]
    outside: Mapping[str, float] = field(default_factory=dict)


def find_outcomes(view: View) -> list[Outcome]:
    """Return the outcomes of the experiments that ran the best's code, with any constants."""
    structure = view.notebook.structure()
    alike = [
        experiment
        for experiment in view.experiments
        if experiment.structure == structure and experiment.reason not in NOT_TRIED
    ]
    task, known = view.task, {each.number: each.constants for each in view.experiments}
    measured = [[_mean(each, task.metric(name)) for each in alike] for name in task.objectives]
    signs = [task.metric(name).sign for name in task.objectives]
    columns = [_lower(values, sign) for values, sign in zip(measured, signs, strict=True)]
    return [
        Outcome(
            experiment.constants,
            values,
            experiment.verdict is Verdict.KEEP,
            moved(known.get(experiment.proposal.parent or 0, {}), experiment.constants),
            _outside(experiment, task),
        )
        for experiment, values in zip(alike, zip(*columns, strict=True), strict=True)
    ]


def _lower(values: Sequence[float | None], sign: int) -> list[float]:
    """Return the values as numbers of which lower is better; None becomes worse than all others."""
    known = [sign * value for value in values if value is not None]
    worst, least = max(known, default=0.0), min(known, default=0.0)
    penalty = worst + (worst - least or 1.0)
    return [penalty if value is None else sign * value for value in values]


def _mean(experiment: Experiment, metric: Metric) -> float | None:
    """Return the mean of an experiment's own runs; None for a crash, or if not measured."""
    scores = scores_of(experiment.runs, metric)
    return fmean(scores) if scores and experiment.score is not None else None


def _outside(experiment: Experiment, task: Task) -> dict[str, float]:
    """Return for each bound on what was measured how far its mean lies outside."""
    found = dict[str, float]()
    for bound in task.bounds:
        if (mean := _mean(experiment, task.metric(bound.metric))) is not None:
            over = mean - bound.limit if bound.at_most else bound.limit - mean
            found[str(bound)] = over / (abs(bound.limit) or 1.0)
    return found


def find_pending(view: View) -> list[Values]:
    """Return the constants of what is in flight with the best's code, by the same names."""
    structure = view.notebook.structure()
    known = {each.number: each for each in view.experiments if each.structure == structure}
    return [
        {**known[proposal.parent].constants, **proposal.constants}
        for proposal in view.in_flight
        if proposal.parent in known and not proposal.edits and not proposal.failure
    ]


def promising(name: str, outcomes: Sequence[Outcome]) -> int:
    """Return the direction that the last change of a constant speaks for; 0 without one."""
    last = next((each for each in reversed(outcomes) if name in each.moved), None)
    if last is None:
        return 0
    return last.moved[name] if last.kept else -last.moved[name]


def moved(was: Mapping[str, Constant], now: Mapping[str, Constant]) -> dict[str, int]:
    """Return which constants changed: +1 up, -1 down, 0 for what is not a number."""
    return {
        name: _direction(was[name], value)
        for name, value in now.items()
        if name in was and was[name] != value
    }


def _direction(old: Constant, new: Constant) -> int:
    if isinstance(old, bool | str) or isinstance(new, bool | str):
        return 0
    return 1 if new > old else -1
