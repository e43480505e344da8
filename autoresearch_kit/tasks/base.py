"""A task: the kind of model that a campaign trains, and the way its scores are measured."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from autoresearch_kit.notebook.cells import Cell


class Direction(StrEnum):
    """The values of a metric that are better."""

    LOWER = "lower"
    HIGHER = "higher"


@dataclass(frozen=True)
class Metric:
    """A number that is measured of each submission, under its name in records and tables."""

    name: str
    direction: Direction
    unit: str

    def __str__(self) -> str:
        return f"{self.name} ({self.direction} is better)"


@dataclass(frozen=True)
class Bound:
    """A limit that a submission must keep: the worst value of a metric that is allowed."""

    metric: Metric
    limit: float


@dataclass(frozen=True)
class Task:
    """The model that a campaign trains, and the way it is measured.

    The first of the metrics is the objective, which decides. `scoring_version` stands in each
    score's fingerprint. `prepare_module` is run as `python -m MODULE CORPUS OPTIONS`; it makes the
    data ready and prints its folder. `judge_module` is run as `python -m MODULE SPEC`; it
    measures a submission. `notebook_problems` yields what a notebook lacks for this task.
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
