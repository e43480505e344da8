"""The record of a run, one headless execution of the notebook; its machine; runs in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import fmean

from autoresearch_kit.records.fingerprints import Clock
from autoresearch_kit.records.run_specs import SandboxLevel
from autoresearch_kit.records.scores import Reason, Score
from autoresearch_kit.records.tasks import Task
from autoresearch_kit.records.text import rounded

STEPS_APART = 0.05
"""Runs whose steps differ by more than this share of the most are shown one by one."""


@dataclass(frozen=True)
class GpuConditions:
    """One GPU while a run trained: mean clock and its maximum in MHz, the highest temperature in C.

    `throttled` is the share of samples in which heat or the power supply slowed it down; its own
    power limit, at which every busy GPU runs, does not count. `others` counts the processes of
    others that computed on it. A value that the GPU does not report is 0.
    """

    name: str
    clock_mhz: float
    max_clock_mhz: float
    temperature_c: float
    throttled: float
    others: int


@dataclass(frozen=True)
class Conditions:
    """The machine while a run trained.

    `elsewhere` is the share of all cores' time, in [0, 1], that other processes or the machine's
    host used. `load` is the load average of the last minute, at the end. `busiest` names the other
    processes that used the most, for people.
    """

    elsewhere: float
    load: float
    busiest: str = ""
    gpus: tuple[GpuConditions, ...] = ()


@dataclass(frozen=True)
class CacheUse:
    """Files in a run's own compiler cache: `lent` by earlier runs, and `made` by this run.

    Of the files made, `kept` are there for later runs.
    """

    lent: int = 0
    made: int = 0
    kept: int = 0

    def __str__(self) -> str:
        return f"{self.lent} files of earlier runs, {self.made} made, {self.kept} of them kept"


@dataclass(frozen=True)
class Run:
    """One headless execution of the notebook. Either `score` is there, or `failure` says why not.

    `train_seconds` is measured from outside, first editable cell to submission, by `clock`, with
    compilation (as claimed by the notebook, capped) taken out. `trained_in` is the wall-clock of
    the same span, compilation included; None in records that have only the wall-clock, and where
    training never began. `parts` are the seconds of everything else, by name.
    `conditions` are None if training never began, or was over at once. `audit` is the score of the
    same model on a shard that no verdict and no researcher sees, measured for what is kept.
    `cache` counts the files that `torch.compile` used and added. `peak_memory_mb` is host memory.
    `gpu_mb` is the peak of the GPU's memory as its driver counts it, `gpu_allocated_mb` as torch's
    allocator does; None where the run had no GPU, or none was seen. All in units of 1e6 bytes.
    `slot` names the device that carried it out; empty in records of older versions.
    """

    seed: int
    score: Score | None
    failure: Reason | None
    detail: str
    train_seconds: float
    compile_seconds: float
    wall_seconds: float
    steps: int
    tokens: int
    peak_memory_mb: float
    sandbox: SandboxLevel
    parts: Mapping[str, float] = field(default_factory=dict)
    conditions: Conditions | None = None
    audit: Score | None = None
    cache: CacheUse = field(default_factory=CacheUse)
    gpu_mb: float | None = None
    gpu_allocated_mb: float | None = None
    clock: Clock = Clock.WALL
    trained_in: float | None = None
    slot: str = ""

    def __str__(self) -> str:
        score = f"{rounded(self.score.value)}, " if self.score else ""
        tokens = f"{self.tokens} tokens, " if self.tokens else ""
        steps = f"{self.steps} steps, " if self.steps else ""
        return f"{score}{self.trained} in {self.wall_seconds:.1f} s, {steps}{tokens}{self.memory}"

    @property
    def trained(self) -> str:
        """Return the training seconds in words: `60.0 s of training`, and whether of CPU time."""
        words = f"{self.train_seconds:.1f} s of training"
        return f"{words} by CPU time" if self.clock is Clock.CPU else words

    @property
    def training_wall_seconds(self) -> float:
        """Return the wall-clock of training: of `trained_in` the share that was not compilation."""
        both = self.train_seconds + self.compile_seconds
        if self.trained_in is None or not both:
            return self.train_seconds
        return self.trained_in * self.train_seconds / both

    @property
    def compiling_wall_seconds(self) -> float:
        """Return the wall-clock of compilation: the rest of `trained_in`."""
        if self.trained_in is None:
            return self.compile_seconds
        return self.trained_in - self.training_wall_seconds

    @property
    def memory(self) -> str:
        """Return the peak memory in words: `2,850 MB`, with the GPU's where there was one."""
        gpu = "" if self.gpu_mb is None else f", {self.gpu_mb:,.0f} MB of the GPU"
        return f"{self.peak_memory_mb:,.0f} MB{gpu}"

    @property
    def tokens_per_second(self) -> float:
        """Return tokens over training seconds, by the run's clock; 0 if it never trained.

        By CPU time it says what the code needs of the cores, whatever else they do.
        """
        return self.tokens / self.train_seconds if self.train_seconds else 0.0


def failed_by_kit(
    seed: int, detail: str, sandbox: SandboxLevel, wall_seconds: float = 0.0, slot: str = ""
) -> Run:
    """Return the record of a run that the kit failed, with the reason only."""
    return Run(
        seed=seed,
        score=None,
        failure=Reason.KIT_FAILED,
        detail=detail,
        train_seconds=0.0,
        compile_seconds=0.0,
        wall_seconds=wall_seconds,
        steps=0,
        tokens=0,
        peak_memory_mb=0.0,
        sandbox=sandbox,
        slot=slot,
    )


class Arm(StrEnum):
    """The code that was run: the idea's, or the best's, which it is compared with."""

    CHALLENGER = "challenger"
    BEST = "best"


@dataclass(frozen=True)
class Measured:
    """A run that is over, and not yet in git.

    `folder` is the name of its folder, `code` digests its notebook. `disturbed` says why it had to
    be repeated when it was over; empty if it counted. This is decided anew each time, since later
    runs of the same code may show that it was slow.
    """

    number: int
    arm: Arm
    seed: int
    code: str
    folder: str
    run: Run
    disturbed: str = ""


def steps_apart(runs: Sequence[Run]) -> bool:
    """Return whether the steps of these runs differ so much that a mean would mislead."""
    steps = [run.steps for run in runs]
    return bool(steps) and max(steps) - min(steps) > STEPS_APART * max(steps)


def speed(runs: Sequence[Run]) -> str:
    """Return `601 steps, 20,510 tokens/s`, means over the runs; empty if none made a step.

    Tokens are left out where none were counted. Where their steps are apart, each run's:
    `1,601 / 1,620 / 314 steps`.
    """
    if steps_apart(runs):
        return f"{' / '.join(f'{run.steps:,}' for run in runs)} steps"
    steps = fmean(run.steps for run in runs) if runs else 0
    if not steps:
        return ""
    tokens = f", {fmean(run.tokens_per_second for run in runs):,.0f} tokens/s"
    return f"{steps:,.0f} steps{tokens if any(run.tokens for run in runs) else ''}"


def speed_by_run(runs: Sequence[Run]) -> str:
    """Return `speed`; where steps are apart, with each run's score and tokens/s."""
    if not steps_apart(runs):
        return speed(runs)
    each = (
        (rounded(run.score.value) if run.score else "no score")
        + (f" at {run.tokens_per_second:,.0f} tokens/s" if run.tokens else "")
        for run in runs
    )
    return f"{speed(runs)} (run by run: {'; '.join(each)})"


def values_of(runs: Sequence[Run]) -> dict[str, float]:
    """Return the mean of each metric over these runs, but for the one that decides."""
    scores = [run.score for run in runs if run.score]
    names = dict.fromkeys(name for score in scores for name in score.values if name != score.metric)
    return {
        name: fmean(score.values[name] for score in scores if name in score.values)
        for name in names
    }


def other_values(task: Task, runs: Sequence[Run]) -> str:
    """Return `, NAME VALUE` for the other objectives, bounded metrics and metrics of the task.

    Values are means over these runs; empty where nothing else was measured.
    """
    names = dict.fromkeys([*task.decisive, *(metric.name for metric in task.metrics)])
    known = values_of(runs)
    return "".join(f", {name} {rounded(known[name])}" for name in names if name in known)
