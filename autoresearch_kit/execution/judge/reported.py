"""The metrics that a measurement reports: each once, known, and finite."""

import unicodedata
from collections.abc import Mapping

from autoresearch_kit.execution.judge.scoring import ScoreFailure
from autoresearch_kit.records import KIT_METRICS, Reason, Task
from autoresearch_kit.tasks.measured.task_file import STANDARD_ERROR

LARGEST = 1e100
"""The largest size of a number that counts as finite: the noise is made of squares, and their sums,
which a float must hold."""


class Reported:
    """Collects a task's metrics, and their standard errors, by name."""

    def __init__(self, task: Task) -> None:
        self._metrics = {metric.name: metric for metric in task.metrics}
        self._names = {_as_python(name): name for name in self._metrics}
        self.values: dict[str, float] = {}
        self.errors: dict[str, float] = {}

    def takes(self, name: str) -> bool:
        """Return whether this is a metric of the task, or the standard error of one."""
        name = _as_python(name)
        return name in self._names or name.removesuffix(STANDARD_ERROR) in self._names

    def add(self, values: Mapping[str, float]) -> None:
        """Add metrics as they are reported.

        Raises:
            ScoreFailure: one can't be taken; the failure says why.
        """
        for said, value in values.items():
            name = self._known(said)
            base = self._known(said.removesuffix(STANDARD_ERROR))
            if name in self._metrics:
                self._check(name, value)
                into = self.values
            elif base != name and base in self._metrics:
                name, into = base, self.errors
                if not 0 <= value <= LARGEST:
                    raise _fault(f"the standard error of {name} was reported as {value:g}")
            else:
                raise _fault(self._unknown(name))
            if name in into:
                raise _fault(f"{name} was reported twice; report each metric once")
            into[name] = value

    def check_complete(self) -> None:
        """Check that every metric was reported.

        Raises:
            ScoreFailure: one was not.
        """
        if missing := [name for name in self._metrics if name not in self.values]:
            raise _fault(f"{', '.join(missing)} was never reported")

    def _known(self, name: str) -> str:
        """Return the name as task.toml has it, where it has it."""
        return self._names.get(_as_python(name), name)

    def _check(self, name: str, value: float) -> None:
        if not abs(value) <= LARGEST:
            raise ScoreFailure(Reason.NOT_FINITE, f"{name} was reported as {value:g}")
        if value < 0 and self._metrics[name].zero_is_floor:
            raise _fault(f"{name} was reported as {value:g}; task.toml says zero_is_floor")

    def _unknown(self, name: str) -> str:
        if name in KIT_METRICS:
            return f"{name} was reported, but is measured by the kit; leave it out"
        return f"{name} was reported, but task.toml has {', '.join(self._metrics)}; add it there"


def _as_python(name: str) -> str:
    """Return a name as Python spells it: it takes the sign of micro for a Greek letter."""
    return unicodedata.normalize("NFKC", name)


def _fault(detail: str) -> ScoreFailure:
    return ScoreFailure(Reason.NOT_MEASURED, detail)
