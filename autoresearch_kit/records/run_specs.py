"""Records that a run gets before it starts: its folder, bounds, device and sandbox."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from autoresearch_kit.records.fingerprints import Accelerator, Clock


class SandboxLevel(StrEnum):
    """The levels of sandboxing, the strongest first."""

    BUBBLEWRAP = "bubblewrap"
    NONE = "none"


def strongest(levels: Iterable[SandboxLevel]) -> SandboxLevel | None:
    """Return the strongest of these levels; None if there are none."""
    return min(levels, key=list(SandboxLevel).index, default=None)


@dataclass(frozen=True)
class VisibleFiles:
    """The files of this machine that a run sees or does not see, beside those of every run.

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
