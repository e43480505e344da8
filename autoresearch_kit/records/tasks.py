"""Tasks: what is trained, by which metrics it is measured, and what must hold."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Direction(StrEnum):
    """The direction in which a metric improves."""

    LOWER = "lower"
    HIGHER = "higher"


@dataclass(frozen=True)
class Metric:
    """A number measured of each submission; records and tables show it under `name`.

    `zero_is_floor`: it can't be below zero, so that a gain can be told in percent.
    """

    name: str
    direction: Direction = Direction.LOWER
    unit: str = ""
    zero_is_floor: bool = False

    def __str__(self) -> str:
        unit = f"{self.unit}, " if self.unit else ""
        return f"{self.name} ({unit}{self.direction} is better)"

    @property
    def sign(self) -> int:
        """Return what makes lower better when a value is multiplied by it: 1, or -1."""
        return 1 if self.direction is Direction.LOWER else -1


ROUNDING = 1e-9  # the share of a limit by which sums of floats may lie beyond it

_BOUND = re.compile(r"\s*([^\W\d]\w*)\s*(<=|>=)\s*([-+.\w]+)\s*")


@dataclass(frozen=True)
class Bound:
    """The largest value that a metric may have, or, if not `at_most`, the smallest."""

    metric: str
    limit: float
    at_most: bool = True

    def __str__(self) -> str:
        return f"{self.metric} {'<=' if self.at_most else '>='} {self.limit:.15g}"

    def holds(self, value: float) -> bool:
        """Return whether the value is within the bound; a mean of three times 0.1 is above 0.1."""
        room = self.limit - value if self.at_most else value - self.limit
        return room >= -ROUNDING * abs(self.limit)

    @classmethod
    def parse(cls, text: str) -> "Bound | None":
        """Return the bound in text like `latency_ms <= 5`; None if it is not of this form."""
        if (match := _BOUND.fullmatch(text)) is None:
            return None
        try:
            limit = float(match[3])
        except ValueError:
            return None
        return cls(match[1], limit, match[2] == "<=") if abs(limit) < float("inf") else None


_KIT_METRICS = (
    Metric("peak_memory_mb", unit="MB", zero_is_floor=True),
    Metric("peak_gpu_mb", unit="MB", zero_is_floor=True),
    Metric("wall_seconds", unit="s", zero_is_floor=True),
    Metric("train_seconds", unit="s", zero_is_floor=True),
    Metric("inference_seconds", unit="s per row", zero_is_floor=True),
    Metric("parameters", zero_is_floor=True),
    Metric("submission_mb", unit="MB", zero_is_floor=True),
    Metric("nodes", unit="syntax-tree nodes", zero_is_floor=True),
)
KIT_METRICS: Mapping[str, Metric] = MappingProxyType({each.name: each for each in _KIT_METRICS})
"""Metrics that the kit measures for every task: objectives and bounds may name them.

Memory in units of 1e6 bytes. `wall_seconds` are of the whole run with its measurement,
`inference_seconds` those of the submission's answers over the rows that it was asked for, as the
judge sees them from outside. `nodes` count the syntax tree of the editable cells.
"""


@dataclass(frozen=True)
class Task:
    """The metrics that a campaign improves, and its objectives and bounds.

    `metrics` are those that the task itself measures. `objectives` name the metrics by which
    experiments are kept, which may be the kit's; the first decides which keep is the best. `folder`
    is the task's folder in the project, empty for language modelling. `trusted`: submissions are
    loaded by the process that holds the hidden data: a number is only as honest as their code.
    """

    name: str
    metrics: tuple[Metric, ...]
    objectives: tuple[str, ...]
    bounds: tuple[Bound, ...] = ()
    folder: str = ""
    trusted: bool = False

    def metric(self, name: str) -> Metric:
        """Return the task's own or the kit's metric of that name; KeyError if there is none."""
        return ({**KIT_METRICS} | {each.name: each for each in self.metrics})[name]

    @property
    def objective(self) -> Metric:
        """Return the metric that decides which keep is the best."""
        return self.metric(self.objectives[0])

    @property
    def decisive(self) -> tuple[str, ...]:
        """Return the names of the objectives, and then of other metrics that have a bound."""
        return tuple(dict.fromkeys([*self.objectives, *(bound.metric for bound in self.bounds)]))


VAL_BPB = Metric("val_bpb", Direction.LOWER, "bits per byte", zero_is_floor=True)

LANGUAGE_MODELLING = Task("language modelling", (VAL_BPB,), (VAL_BPB.name,))
"""The task of campaigns that name none."""


@dataclass(frozen=True)
class TaskInfo:
    """A prepared task that is a folder, as the `task.json` in its prepared copy says.

    `data` digests what is trained on, `measurement` the hidden data and all that measures. `about`
    tells the researcher what the task is. `command` measures instead of `measure.ipynb`, and
    `checks` must pass before; both are run by a shell, and empty where there is none. A measurement
    may take `measure_seconds` and `measure_memory_mb`; loading a submission and all its answers may
    take `submission_seconds`, None for what suits the budget of training. `packages` are modules
    that `measure.ipynb` imports; `sees` are further files of this machine that training may read,
    `hides` are such that hold what is hidden. `audited`: there is a hidden part that only keeps are
    measured on.
    """

    task: Task
    data: str
    measurement: str
    about: str = ""
    command: str = ""
    checks: str = ""
    measure_seconds: float = 300.0
    measure_memory_mb: float | None = None
    submission_seconds: float | None = None
    packages: tuple[str, ...] = ()
    sees: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    audited: bool = False

    @property
    def name(self) -> str:
        """Return the task's name."""
        return self.task.name

    @property
    def digest(self) -> str:
        """Return what is different as soon as anything in the folder is."""
        return f"{self.data}-{self.measurement}"
