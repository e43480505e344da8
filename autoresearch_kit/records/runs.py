"""The record of a run: one headless execution of the notebook."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from autoresearch_kit.records.fingerprints import Accelerator, Clock
from autoresearch_kit.records.text import rounded


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


class SandboxLevel(StrEnum):
    """The levels of sandboxing, the strongest first."""

    BUBBLEWRAP = "bubblewrap"
    NONE = "none"


def strongest(levels: Iterable[SandboxLevel]) -> SandboxLevel | None:
    """Return the strongest of these levels; None if there are none."""
    return min(levels, key=list(SandboxLevel).index, default=None)


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


@dataclass(frozen=True)
class VisibleFiles:
    """The files of this machine that a run sees or does not see, in addition to all runs'.

    `imports` are top-level modules that its campaign's notebook imports: the distributions that
    hold them are shown. `hidden` are files and folders that hold hidden data and are not shown,
    `shown` are further ones that its task wants to be seen.
    """

    imports: tuple[str, ...] = ()
    hidden: tuple[Path, ...] = ()
    shown: tuple[Path, ...] = ()


@dataclass(frozen=True)
class RunSetup:
    """The setup of a run: what its runner and its kernel know before its turn. Absolute paths.

    `folder` is this run's own; the notebook sees and writes only its `work/`. `kit` is the
    folder that holds the copy of the package which runner, kernel and judge import. `waits`: the
    kernel is started before its turn, and imports torch meanwhile. `gpu` is the one GPU that the
    run sees and must compute on; None: it sees none, and computes on the CPU. `profiled`: some of
    its steps run under a profiler, which takes time, so it is never scored. `clock`: see `Clock`.
    `cores` are the logical processors that its processes are pinned to; empty: to none.
    """

    run_id: str
    folder: Path
    dataset: Path
    kit: Path
    sandbox: SandboxLevel
    waits: bool
    profiled: bool = field(default=False, kw_only=True)
    gpu: Accelerator | None = field(default=None, kw_only=True)
    clock: Clock = field(default=Clock.WALL, kw_only=True)
    visible: VisibleFiles = field(default_factory=VisibleFiles, kw_only=True)
    cores: tuple[int, ...] = field(default=(), kw_only=True)

    @property
    def device(self) -> str:
        """Return torch's name of what the run must compute on: `cuda`, `mps` or `cpu`."""
        return self.gpu.backend if self.gpu else "cpu"


@dataclass(frozen=True)
class RunSpec(RunSetup):
    """All that one run needs to know. Seconds, megabytes, absolute paths.

    `ahead`: there are cores to start what comes next while it trains.
    """

    ahead: bool
    notebook: Path
    compile_cache: Path
    seed: int
    train_seconds: float
    wall_seconds: float
    compile_seconds: float
    memory_mb: float
    gpu_memory_mb: float | None = None
