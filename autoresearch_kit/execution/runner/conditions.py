"""What the machine did while a run trained: CPU time of others, and looks at the GPUs.

Only what is seen of processes that are not the run's, or what a host took, is elsewhere: what a run
does in processes that nobody sees can't make it look disturbed.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import psutil

from autoresearch_kit.execution.runner.cpu_time import CpuReader
from autoresearch_kit.machine import cgroups, gpu
from autoresearch_kit.machine.gpu import GpuLook
from autoresearch_kit.records import Conditions, GpuConditions

MOST_LOOKING = 0.01
"""Of a core: looking at all processes takes no more than this share of the time."""

NAMED = 3
NAMED_CORES = 0.05
"""The others that are named: so many, those that took this much of a core."""

HOST = "this machine's host"

COMPUTES = 5.0
"""Percent of a GPU, over the whole of training, from which a process is one that computes on it.
A desktop that is drawn there takes less, and an idle notebook's kernel nothing."""


@dataclass(frozen=True)
class Counters:
    """The machine at a moment: seconds of a core's time, counted from some moment in the past.

    `stolen` is what a virtual machine's host took of the cores that the run may use, `others` what
    processes took that are not the run's; `names` has it by the names of those that were seen.
    """

    at: float
    cores: int
    stolen: float
    others: float
    names: Mapping[str, float]


@dataclass(frozen=True)
class GpuLooks:
    """All GPUs at a moment, and the run's processes."""

    gpus: tuple[GpuLook, ...]
    own: frozenset[int]


class Observer:
    """Looks at the machine while a run trains. To be used by the runner, from one thread."""

    def __init__(
        self,
        cpu: CpuReader | None = None,
        look_at_gpus: Callable[[], tuple[GpuLook, ...]] = gpu.look,
    ) -> None:
        self._cpu = cpu or CpuReader()
        self._look_at_gpus = look_at_gpus
        self._begun: Counters | None = None
        self._looks: list[GpuLooks] = []
        self._next_around = 0.0

    def look(self) -> None:
        """Look at it now; the first time is when training begins."""
        now = time.monotonic()
        if now >= self._next_around:
            self._next_around = now + self._cpu.look_around() / MOST_LOOKING
        self._begun = self._begun or count(self._cpu)
        gpus = self._look_at_gpus()
        if gpus:
            own = frozenset(process.pid for process in own_processes())
            self._looks.append(GpuLooks(gpus, own))

    def end(self) -> Conditions | None:
        """Training is over; None if it had not been looked at."""
        if self._begun is None:
            return None
        self._next_around = 0.0
        self.look()
        now = count(self._cpu)
        return Conditions(
            elsewhere=round(elsewhere(self._begun, now), 4),
            load=round(psutil.getloadavg()[0], 2),
            busiest=busiest(self._begun, now),
            gpus=gpu_conditions(self._looks),
        )


def count(cpu: CpuReader) -> Counters:
    """The machine's counters as they were when all processes were last looked at."""
    others = cpu.others
    return Counters(cpu.at, cgroups.cpus(), cpu.stolen, others.total, others.by_name)


def elsewhere(begin: Counters, end: Counters) -> float:
    """The share of the cores' time, in [0, 1], that was seen to go to others."""
    spent = end.stolen - begin.stolen + end.others - begin.others
    return min(max(spent / (end.at - begin.at) / end.cores, 0.0), 1.0)


def busiest(begin: Counters, end: Counters) -> str:
    """Who took the most of it, by name, for people."""
    seconds = {name: took - begin.names.get(name, 0.0) for name, took in end.names.items()}
    seconds[HOST] = end.stolen - begin.stolen
    most = sorted(seconds, key=lambda name: -seconds[name])[:NAMED]
    cores = [(name, seconds[name] / (end.at - begin.at)) for name in most]
    return ", ".join(f"{name} ({took:.1f} cores)" for name, took in cores if took >= NAMED_CORES)


def gpu_conditions(looks: Sequence[GpuLooks]) -> tuple[GpuConditions, ...]:
    """Of each GPU that the run computed on; of all, where that can't be told."""
    own = frozenset[int]().union(*(look.own for look in looks))
    by_gpu: dict[str, list[GpuLook]] = {}
    for one in (one for look in looks for one in look.gpus):
        by_gpu.setdefault(one.uuid, []).append(one)
    used = [seen for seen in by_gpu.values() if own & _processes(seen)]
    return tuple(_conditions(seen, own) for seen in used or by_gpu.values())


def _conditions(seen: Sequence[GpuLook], own: frozenset[int]) -> GpuConditions:
    return GpuConditions(
        name=seen[0].name,
        clock_mhz=round(fmean(one.clock_mhz for one in seen)),
        max_clock_mhz=max(one.max_clock_mhz for one in seen),
        temperature_c=max(one.temperature_c for one in seen),
        throttled=round(fmean(one.slowed for one in seen), 3),
        others=_others(seen, own),
    )


def _others(seen: Sequence[GpuLook], own: frozenset[int]) -> int:
    """How many that are not the run's computed on it.

    In a container the driver may name processes by numbers of the host's: then one of those that
    compute is the run's.
    """
    percent: Counter[int] = Counter()
    for one in seen:
        percent.update(one.computing)
    computing = {process for process, total in percent.items() if total / len(seen) >= COMPUTES}
    known = own & percent.keys()
    return len(computing - own) if known else max(0, len(computing) - 1)


def _processes(seen: Iterable[GpuLook]) -> frozenset[int]:
    return frozenset(process for one in seen for process in one.computing)


def own_processes() -> list[psutil.Process]:
    """Return this process and all its descendants."""
    me = psutil.Process()
    return [me, *me.children(recursive=True)]
