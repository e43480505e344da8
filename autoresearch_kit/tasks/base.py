"""A task: the kind of model that a campaign trains, and the way its scores are measured."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from autoresearch_kit.notebook.cells import Cell


class Direction(StrEnum):
    """The direction in which a metric improves."""

    LOWER = "lower"
    HIGHER = "higher"


@dataclass(frozen=True)
class Metric:
    """A number measured of each submission; records and tables show it under `name`."""

    name: str
    direction: Direction
    unit: str

    def __str__(self) -> str:
        return f"{self.name} ({self.direction} is better)"


@dataclass(frozen=True)
class Bound:
    """The worst value of a metric that a submission may have."""

    metric: Metric
    limit: float


@dataclass(frozen=True)
class Task:
    """The model that a campaign trains, and the way it is measured.

    The first metric is the objective, which decides. `scoring_version` is part of each score's
    fingerprint. `python -m {prepare_module} CORPUS OPTIONS` makes the data ready and prints its
    folder. `python -m {judge_module} SPEC` measures a submission. `notebook_problems` yields what a
    notebook lacks for this task.
    """

    name: str
    metrics: tuple[Metric, ...]
    bounds: tuple[Bound, ...]
    scoring_version: int
    prepare_module: str
    judge_module: str
    notebook_problems: Callable[[Sequence[Cell]], Iterable[str]]

    @property
    def objective(self) -> Metric:
        """Return the metric by which experiments are kept."""
        return self.metrics[0]
