"""A task that is a folder: its own notebook measures what the training notebook handed over."""

from collections.abc import Iterable, Sequence

from autoresearch_kit.notebook.cells import Cell
from autoresearch_kit.tasks.base import Kind

SCORING_VERSION = 1
"""Raise it by hand with every change after which the same submission would get other values."""


def notebook_problems(cells: Sequence[Cell]) -> Iterable[str]:
    """Yield what a training notebook lacks to be trained for such a task."""
    del cells
    return ()


MEASURED = Kind(
    scoring_version=SCORING_VERSION,
    judge_module="autoresearch_kit.execution.judge.measured",
    notebook_problems=notebook_problems,
)
