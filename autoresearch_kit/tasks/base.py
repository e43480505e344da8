"""A kind of task: the code that checks its notebook and measures its submissions."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from autoresearch_kit.notebook.cells import Cell


@dataclass(frozen=True)
class Kind:
    """The code behind a kind of task; see `records.Task` for what one campaign's task is.

    `scoring_version` is part of each score's fingerprint. `python -m {judge_module} SPEC` measures
    a submission. `notebook_problems` yields what a training notebook lacks for this kind.
    """

    scoring_version: int
    judge_module: str
    notebook_problems: Callable[[Sequence[Cell]], Iterable[str]]
