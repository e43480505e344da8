"""Observe what else the machine does while a run trains: CPU time of others, and the GPUs.

Only CPU time of others' processes that were seen, and of a virtual machine's host, counts as
elsewhere: a run's own processes that nobody sees can't make it look disturbed.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from statistics import fmean

import psutil

from autoresearch_kit.execution.runner.cpu_time import CpuReader
from autoresearch_kit.machine import gpu
from autoresearch_kit.machine.gpu import GpuLook
from autoresearch_kit.records import Conditions, GpuConditions

MOST_LOOKING = 0.01  # largest share of a core's time for looks at all processes

NAMED, NAMED_CORES = 3, 0.05  # others that are named, and the cores that each took at least

HOST = "this machine's host"

COMPUTES = 5.0
"""Percent of a GPU, over the whole of training, from which a process counts as computing on it.
A desktop that is drawn there takes less, and an idle notebook's kernel nothing."""


@dataclass(frozen=True)
class Counters:
    """Counters of the machine at a moment: seconds of a core, from some moment in the past.

    `cores` are as many as the run may use. `stolen` were taken from them by a virtual machine's
    host, `others` by processes that are not the run's; `names` has the latter by name.
    """

    at: float
    cores: int
    stolen: float
    others: float
    names: Mapping[str, float]


class Observer:
    """Looks at the machine while a run trains; for its runner, one thread at a time."""

    def __init__(
        self,
        cpu: CpuReader | None = None,
        look_at_gpus: Callable[[], tuple[GpuLook, ...]] = gpu.look,
    ) -> None:
        self._cpu = cpu or CpuReader()
        self._look_at_gpus = look_at_gpus
        self._begun: Counters | None = None
        self._gpus: list[GpuLook] = []
        self._own: set[int] = set()
        self._next_around = 0.0

    def look(self) -> None:
        """Look at the machine now; for the first time when training begins."""
        now = time.monotonic()
        if now >= self._next_around:
            self._next_around = now + self._cpu.look_around() / MOST_LOOKING
        self._begun = self._begun or self._count()
        if gpus := self._look_at_gpus():
            self._gpus += gpus
            self._own |= {process.pid for process in own_processes()}

    def end(self) -> Conditions | None:
        """Look once more, and return the conditions; None if there was no look before."""
        if self._begun is None:
            return None
        self._next_around = 0.0
        self.look()
        now = self._count()
        return Conditions(
            elsewhere=round(elsewhere(self._begun, now), 4),
            load=round(psutil.getloadavg()[0], 2),
            busiest=busiest(self._begun, now),
            gpus=gpu_conditions(self._gpus, self._own),
        )

    def _count(self) -> Counters:
        cpu = self._cpu
        return Counters(cpu.at, cpu.cores, cpu.stolen, cpu.taken_by_others, cpu.others.by_name)


def elsewhere(begin: Counters, end: Counters) -> float:
    """Return the share of the cores' time, in [0, 1], that others were seen to take."""
    spent = end.stolen - begin.stolen + end.others - begin.others
    return min(max(spent / (end.at - begin.at) / end.cores, 0.0), 1.0)


def busiest(begin: Counters, end: Counters) -> str:
    """Return the names of the programs that used the most CPU time, in words."""
    seconds = {name: took - begin.names.get(name, 0.0) for name, took in end.names.items()}
    seconds[HOST] = end.stolen - begin.stolen
    most = sorted(seconds, key=lambda name: -seconds[name])[:NAMED]
    cores = [(name, seconds[name] / (end.at - begin.at)) for name in most]
    return ", ".join(f"{name} ({took:.1f} cores)" for name, took in cores if took >= NAMED_CORES)


def gpu_conditions(looks: Sequence[GpuLook], own: Set[int]) -> tuple[GpuConditions, ...]:
    """Return the conditions of the GPUs that the run computed on; of all, where none is known.

    `own` are the processes that the run has had.
    """
    by_gpu: dict[str, list[GpuLook]] = {}
    for look in looks:
        by_gpu.setdefault(look.uuid, []).append(look)
    used = [seen for seen in by_gpu.values() if any(own & look.computing.keys() for look in seen)]
    return tuple(
        GpuConditions(
            name=seen[0].name,
            clock_mhz=round(fmean(look.clock_mhz for look in seen)),
            max_clock_mhz=max(look.max_clock_mhz for look in seen),
            temperature_c=max(look.temperature_c for look in seen),
            throttled=round(fmean(look.slowed for look in seen), 3),
            others=_others(seen, own),
        )
        for seen in used or by_gpu.values()
    )


def _others(seen: Sequence[GpuLook], own: Set[int]) -> int:
    """Return how many processes that are not the run's computed on a GPU.

    In a container the driver may know processes by the host's numbers: then one of those that
    compute is taken for the run's.
    """
    percent: Counter[int] = Counter()
    for look in seen:
        percent.update(look.computing)
    computing = {process for process, total in percent.items() if total / len(seen) >= COMPUTES}
    known = own & percent.keys()
    return len(computing - own) if known else max(0, len(computing) - 1)


def own_processes() -> list[psutil.Process]:
    """Return this process and all its descendants."""
    me = psutil.Process()
    return [me, *me.children(recursive=True)]
