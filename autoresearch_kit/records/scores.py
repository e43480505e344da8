"""Scores of submissions, and the reasons of verdicts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Reason(StrEnum):
    """The reason of a verdict: five are of keeps, four of discards, two of disturbed experiments;
    the others are of crashes.
    """

    BASELINE = "baseline"
    BETTER = "better"
    SIMPLER = "simpler"
    TRADE_OFF = "trade-off"
    WITHIN_BOUNDS = "within bounds"
    WORSE = "worse"
    NO_GAIN = "no gain"
    CONFLICT = "conflict"
    OUT_OF_BOUNDS = "out of bounds"
    MACHINE_BUSY = "machine busy"
    FEWER_STEPS = "fewer steps"
    INVALID_EDIT = "invalid edit"
    ERROR = "error"
    EXITED = "exited"
    DIVERGED = "diverged"
    DEADLINE = "deadline"
    OVER_BUDGET = "over budget"
    OUT_OF_MEMORY = "out of memory"
    OUT_OF_PROCESSES = "out of processes"
    OUT_OF_DISK = "out of disk"
    NO_SUBMISSION = "no submission"
    UNPICKLABLE = "unpicklable"
    BAD_SUBMISSION = "bad submission"
    NOT_FINITE = "not finite"
    NOT_CAUSAL = "not causal"
    CHECKS_FAILED = "checks failed"
    NOT_MEASURED = "not measured"
    KIT_FAILED = "kit failed"


@dataclass(frozen=True)
class Score:
    """A score, as the judge measured it: `value` is that of `metric`, the first objective.

    `values` has each metric of the task and those of the kit by name, and `errors` the standard
    errors that a measurement reported of them; both are empty in records of older versions.
    `trusted`: the submission was loaded beside the hidden data, as the task allows. The other
    fields are of language models, whose value is nats / (bytes * ln 2).

    `causality_gap` is the mean absolute change of loss, in nats, at `tested` positions drawn at
    random, when everything after them is replaced: at most 0.001; an honest model's is near 0.
    Scores of older versions have 0 for `tested`, and a mean of signed changes.

    The model computed in `precision`. `rounding` is the error, in bits per byte on the first rows,
    of the device's own precision against float32, which is taken where the error is large; None
    where they were not compared. `on_device`: the logits did not leave the GPU.
    """

    metric: str
    value: float
    nats: float = 0.0
    bytes: int = 0
    tokens: int = 0
    causality_gap: float = 0.0
    seconds: float = 0.0
    precision: str = "float32"
    rounding: float | None = None
    on_device: bool = False
    tested: int = 0
    values: Mapping[str, float] = field(default_factory=dict)
    errors: Mapping[str, float] = field(default_factory=dict)
    trusted: bool = False

    def of(self, metric: str) -> float | None:
        """Return the value of the metric of that name; None where it was not measured."""
        return self.values.get(metric, self.value if metric == self.metric else None)
