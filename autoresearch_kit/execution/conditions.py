"""What the machine did while a run trained: counters at its two ends, and looks at the GPUs.

What is not the run's is elsewhere: its processes are the runner and its descendants, dead ones
too, but on macOS, which does not tell what those took.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import psutil

from autoresearch_kit import gpu
from autoresearch_kit.gpu import GpuLook
from autoresearch_kit.records import Conditions, GpuConditions
from autoresearch_kit.text import one_line

NOT_BUSY = ("idle", "iowait", "guest", "guest_nice")
"""Of a core's times. A guest's are in its user's already."""

NAMED = 3
NAME_LENGTH = 20
NAMED_CORES = 0.05
"""The others that are named: so many, those that took this much of a core."""

HOST = "this machine's host"

COMPUTES = 5.0
"""Percent of a GPU, over the whole of training, from which a process is one that computes on it.
A desktop that is drawn there takes less, and an idle notebook's kernel nothing."""


@dataclass(frozen=True)
class Counters:
    """The machine at a moment: seconds of a core's time, counted from some moment in the past.

    `busy` is of all the cores that the run may use, `stolen` what their host took among it, `own`
    of the run's processes. `others` has the name and the time of each other process, by what no
    two processes share.
    """

    at: float
    cores: int
    busy: float
    stolen: float
    own: float
    others: Mapping[tuple[int, float], tuple[str, float]]


@dataclass(frozen=True)
class GpuLooks:
    """All GPUs at a moment, and the run's processes."""

    gpus: tuple[GpuLook, ...]
    own: frozenset[int]


class Observer:
    """Looks at the machine while a run trains. To be used by the runner, from one thread."""

    def __init__(self, look_at_gpus: Callable[[], tuple[GpuLook, ...]] = gpu.look) -> None:
        self._look_at_gpus = look_at_gpus
        self._begun: Counters | None = None
        self._looks: list[GpuLooks] = []

    def look(self) -> None:
        """Look at it now; the first time is when training begins."""
        self._begun = self._begun or count()
        gpus = self._look_at_gpus()
        if gpus:
            own = frozenset(process.pid for process in own_processes())
            self._looks.append(GpuLooks(gpus, own))

    def end(self) -> Conditions | None:
        """Training is over; None if it had not been looked at."""
        if self._begun is None:
            return None
        self.look()
        now = count()
        return Conditions(
            elsewhere=round(elsewhere(self._begun, now), 4),
            load=round(psutil.getloadavg()[0], 2),
            busiest=busiest(self._begun, now),
            gpus=gpu_conditions(self._looks),
        )


def count() -> Counters:
    """The machine's counters now; some ten milliseconds."""
    times = _core_times()
    own = own_processes()
    mine = {process.pid for process in own}
    others = psutil.process_iter(["pid", "create_time", "name", "cpu_times"])
    return Counters(
        at=time.monotonic(),
        cores=len(times),
        busy=sum(sum(core.values()) for core in times),
        stolen=sum(core.get("steal", 0.0) for core in times),
        own=sum(map(_seconds, own)),
        others={
            (one.pid, one.info["create_time"]): (one.info["name"], sum(one.info["cpu_times"][:2]))
            for one in others
            if one.info["cpu_times"] and one.pid not in mine
        },
    )


def elsewhere(begin: Counters, end: Counters) -> float:
    """The share of the cores' time, in [0, 1], that was not the run's."""
    spent = end.busy - begin.busy - (end.own - begin.own)
    return min(max(spent / (end.at - begin.at) / end.cores, 0.0), 1.0)


def busiest(begin: Counters, end: Counters) -> str:
    """Who took the most of it, by name, for people."""
    seconds = defaultdict(float, {HOST: end.stolen - begin.stolen})
    for process, (name, total) in end.others.items():
        seconds[one_line(name, NAME_LENGTH)] += total - begin.others.get(process, (name, 0.0))[1]
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


def _core_times() -> list[dict[str, float]]:
    """Of each core that this process may use, what it did that was not idling, in seconds."""
    cores = psutil.cpu_times(percpu=True)
    allowed = psutil.Process().cpu_affinity() if psutil.LINUX else None
    if allowed and max(allowed) < len(cores):  # a container may be shown fewer than it is given
        cores = [cores[core] for core in allowed]
    return [
        {name: spent for name, spent in core._asdict().items() if name not in NOT_BUSY}
        for core in cores
    ]


def own_processes() -> list[psutil.Process]:
    """Return this process and all its descendants."""
    me = psutil.Process()
    return [me, *me.children(recursive=True)]


def _seconds(process: psutil.Process) -> float:
    """Of a core's time, with that of its children which have died."""
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system + times.children_user + times.children_system
