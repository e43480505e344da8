"""Made-up chains of keeps, and runs that nobody ran."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import CellEdit, Constant, EditAction, Noise, Reason, Run
from autoresearch_kit.reports.confirmation import Trial, Trials
from autoresearch_kit.studies.confirm.judging import Standing, standing_of
from autoresearch_kit.studies.confirm.plan import Keep, Plan, Variant
from tests.campaign import tiny
from tests.researchers.llm.conftest import run_of

BASELINE = TrainNotebook.parse(tiny.notebook_text())
NOISE = Noise(0.01, 10)

Change = CellEdit | Mapping[str, Constant]
Scored = Callable[[Variant, int], float | None]
"""Returns the score of a variant under a seed; None for a crash."""


def edit(cell: str, old: str, new: str, notebook: TrainNotebook = BASELINE) -> CellEdit:
    """Return an edit of a line of a cell of the tiny notebook."""
    source = notebook.cell(cell).source
    assert old in source
    return CellEdit(EditAction.REPLACE, cell, source.replace(old, new))


def chain(*changes: Change | Callable[[TrainNotebook], Change]) -> Plan:
    """Return a plan whose keeps, from 1 on, make one change each."""
    keeps: list[Keep] = []
    for number, change in enumerate(changes, 1):
        parent = keeps[-1].notebook if keeps else BASELINE
        made = change(parent) if callable(change) else change
        notebook = (
            parent.apply([made]) if isinstance(made, CellEdit) else parent.set_constants(made)
        )
        keeps.append(Keep(number, f"idea {number}", 0.1, notebook))
    return Plan(BASELINE, tuple(keeps))


def ran(value: float | None) -> Run:
    return run_of(value, Reason.DIVERGED, "the loss exploded")


def carry_out(plan: Plan, scored: Scored, seeds: int = 3, believed: Noise = NOISE) -> Standing:
    """Return the state after all runs, done one by one."""
    standing = standing_of(plan, Trials(seeds, believed))
    while standing.todo:
        standing = one_more(standing, scored)
    return standing


def one_more(standing: Standing, scored: Scored) -> Standing:
    todo = standing.todo[0]
    trial = Trial(todo.variant.code, todo.at, ran(scored(todo.variant, todo.at)))
    trials = replace(standing.trials, done=(*standing.trials.done, trial))
    return standing_of(standing.plan, trials)
