"""The time of training steps, and its profile."""

from dataclasses import dataclass

from autoresearch_kit.records.runs import Run


@dataclass(frozen=True)
class ProfileRow:
    """The time of an operator, or of a kernel on a GPU, without the operators that it calls.

    `share` is of all rows' time, in [0, 1]; `milliseconds` and `calls` are of one step.
    """

    name: str
    share: float
    milliseconds: float
    calls: float

    def __str__(self) -> str:
        return f"{self.share:6.1%} {self.milliseconds:9.4g} {self.calls:7.4g}  {self.name}"


@dataclass(frozen=True)
class StepProfile:
    """A profile by `torch.profiler` of `steps` training steps, and how long the others took.

    Milliseconds: `first_ms` is the first step, which may compile; `typical_ms` the median of the
    others that were not profiled, `slow_ms` their 90th percentile; `profiled_ms` the mean under the
    profiler. What was not measured is None. `on_gpu`: rows are kernels on the GPU. `rows` are the
    largest, first; `trouble` says why there are none. All of it came out of unreviewed code.
    """

    steps: int
    first_ms: float | None
    typical_ms: float | None
    slow_ms: float | None
    profiled_ms: float | None
    on_gpu: bool
    rows: tuple[ProfileRow, ...] = ()
    trouble: str = ""

    def __str__(self) -> str:
        rows = ", ".join(f"{row.name} {row.share:.0%}" for row in self.rows)
        return "; ".join(words for words in (self.times(), rows, self.trouble) if words)

    def times(self) -> str:
        """Return how long steps took, in words; the profiler makes them longer."""
        named = [
            ("{:.4g} ms typically", self.typical_ms),
            ("one in ten took more than {:.4g} ms", self.slow_ms),
            ("the first took {:.4g} ms", self.first_ms),
            ("{:.4g} ms under the profiler", self.profiled_ms),
        ]
        words = [form.format(value) for form, value in named if value is not None]
        return ", ".join(words) or "none was timed"


@dataclass(frozen=True)
class Profiled:
    """A run that was made for the profile of its steps, and the profile, if there is one."""

    run: Run
    steps: StepProfile | None


@dataclass(frozen=True)
class Probe:
    """A run of a draft without a score, made while experiment `number` was proposed."""

    number: int
    run: Run
