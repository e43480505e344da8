"""A campaign's history as a search over constants sees it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoresearch_kit.records import Constant, Experiment
from autoresearch_kit.researchers.base import View
from autoresearch_kit.researchers.duplicates import NOT_TRIED


@dataclass(frozen=True)
class Outcome:
    """One experiment: the values of all its constants, and its bits per byte.

    A crash has a finite `value` too, worse than all others. `moved` says which constants differ
    from its parent's: +1 up, -1 down, 0 for what is not a number.
    """

    vector: Mapping[str, Constant]
    value: float
    kept: bool
    moved: Mapping[str, int]


def find_outcomes(view: View) -> list[Outcome]:
    """What came of the experiments that ran the best's code, whatever their constants."""
    structure = view.notebook.structure()
    alike = [
        experiment
        for experiment in view.experiments
        if experiment.structure == structure and experiment.reason not in NOT_TRIED
    ]
    penalty = _penalty([e.val_bpb for e in alike if e.val_bpb is not None])
    parents = {experiment.number: experiment.constants for experiment in view.experiments}
    return [
        Outcome(
            experiment.constants,
            penalty if experiment.val_bpb is None else experiment.val_bpb,
            experiment.kept,
            _moved(experiment, parents),
        )
        for experiment in alike
    ]


def count_moves(outcomes: Sequence[Outcome]) -> Counter[str]:
    """How often each constant was changed."""
    return Counter(name for outcome in outcomes for name in outcome.moved)


def promising(name: str, outcomes: Sequence[Outcome]) -> int:
    """The direction that the last change of a constant speaks for; 0 if it was never changed."""
    for outcome in reversed(outcomes):
        if name in outcome.moved:
            return outcome.moved[name] if outcome.kept else -outcome.moved[name]
    return 0


def _penalty(scores: Sequence[float]) -> float:
    """As far above the worst score as that is above the best."""
    worst = max(scores, default=0.0)
    return worst + (worst - min(scores, default=0.0) or 1.0)


def _moved(
    experiment: Experiment, constants: Mapping[int, Mapping[str, Constant]]
) -> dict[str, int]:
    if experiment.proposal.parent is None:
        return {}
    was = constants[experiment.proposal.parent]
    return {
        name: _direction(was[name], value)
        for name, value in experiment.constants.items()
        if name in was and was[name] != value
    }


def _direction(old: Constant, new: Constant) -> int:
    if isinstance(old, bool | str) or isinstance(new, bool | str):
        return 0
    return 1 if new > old else -1
