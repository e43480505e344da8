"""Read the CPU seconds of a run, and of everything beside it, in its runner.

All that a run has started descends from its runner: orphans are adopted by the init of its PID
namespace, or by the runner. Where a cgroup can be made for the run, that counts all of it.
Elsewhere a process that died is counted by the process that waited for it; if none did, by what it
had taken when last seen. Processes that were never seen, such as children that lived for less than
a look, are what remains of the usage of the runner's own cgroup without all other processes in it.
"""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from autoresearch_kit.machine import cgroups
from autoresearch_kit.machine.cgroups import Usage
from autoresearch_kit.records.text import one_line

NAME_LENGTH = 20


@dataclass(frozen=True)
class ProcessTime:
    """CPU seconds of a process: its own, and those of the children that it waited for."""

    pid: int
    born: float
    parent: int
    name: str
    seconds: float
    reaped: float

    @property
    def key(self) -> tuple[int, float]:
        """Return number and time of birth: no two processes have both in common."""
        return self.pid, self.born


def read_process(process: psutil.Process) -> ProcessTime | None:
    """Read one process; return None if it is gone or can't be read."""
    try:
        with process.oneshot():
            times = process.cpu_times()
            return ProcessTime(
                pid=process.pid,
                born=process.create_time(),
                parent=process.ppid(),
                name=one_line(_name(process), NAME_LENGTH),
                seconds=times.user + times.system,
                reaped=times.children_user + times.children_system,
            )
    except psutil.Error:
        return None


def read_all(processes: Iterable[psutil.Process]) -> list[ProcessTime]:
    """Read the CPU times of the processes that still exist."""
    return [read for read in map(read_process, processes) if read is not None]


class Tally:
    """Adds up the CPU seconds of processes, those that are gone included, from looks at them.

    A process that is gone is counted by the process that waited for it, whose `reaped` has grown by
    as much by the next look at the latest. What is missing then was waited for by nobody, and stays
    in the sum as last seen.
    """

    def __init__(self) -> None:
        self._living: dict[tuple[int, float], ProcessTime] = {}
        self._gone: defaultdict[str, float] = defaultdict(float)
        self._lost = 0.0
        self._missing = 0.0

    @property
    def total(self) -> float:
        """Return the CPU seconds of all processes."""
        living = sum(process.seconds + process.reaped for process in self._living.values())
        return living + self._lost + self._missing

    @property
    def by_name(self) -> Mapping[str, float]:
        """Return CPU seconds by the names of processes."""
        names = self._gone.copy()
        for process in self._living.values():
            names[process.name] += process.seconds
        return names

    def look(self, seen: Collection[ProcessTime]) -> None:
        """Take note of the processes as they are now; all others are gone."""
        before, self._living = self._living, {process.key: process for process in seen}
        gone = [process for key, process in before.items() if key not in self._living]
        waited_for = sum(
            process.reaped - (before[key].reaped if key in before else 0.0)
            for key, process in self._living.items()
        )
        missing = sum(process.seconds + process.reaped for process in gone) - waited_for
        # a parent may wait only after this look: what is missing now is settled by the next one
        self._lost += max(0.0, self._missing + min(0.0, missing))
        self._missing = max(0.0, missing)
        for process in gone:
            self._gone[process.name] += process.seconds


class CpuReader:
    """Reads the CPU time of a run and of all else, in its runner, by one thread at a time.

    `run` counts the runner's descendants, `others` all processes but those and the runner, and
    `stolen` the seconds that a virtual machine's host took: the last two as of `at`, the last look
    around. `unseen` are CPU seconds of the run that no process which was seen accounts for.

    On `cores`, which a run may be pinned to, only some of the others may be: not those that are
    pinned to other cores, as runs on other devices are. Nor need the rest have been there: of their
    time counts at most what these cores were busy for beyond the run's own time.
    """

    def __init__(
        self, usage: Callable[[], Usage | None] = cgroups.usage, cores: Collection[int] = ()
    ) -> None:
        self.run = Tally()
        self.others = Tally()
        self.at = 0.0
        self.stolen = 0.0
        self.unseen = 0.0
        self._usage = usage
        self._beside = Tally()
        self._cgroup: Path | None = None
        self._counted = 0.0
        self._runner = self._before = _read_self()
        self._accounted: float | None = None
        self._cores = frozenset(cores)
        self._on_cores = 0.0
        self._on_cores_before: float | None = None
        self._others_before = 0.0

    @property
    def run_seconds(self) -> float:
        """Return CPU seconds of the run so far, those of unseen processes included."""
        if self._cgroup is None:
            return self.run.total + self.unseen
        self._counted = cgroups.seconds(self._cgroup) or self._counted  # it is gone after the run
        return self._counted

    def count_by(self, cgroup: Path) -> None:
        """Count the run's CPU time by its own cgroup, which contains all of its processes."""
        self._cgroup = cgroup

    @property
    def elsewhere(self) -> float:
        """Return CPU seconds that others, the host included, were seen to take."""
        return self.taken_by_others + self.stolen

    @property
    def taken_by_others(self) -> float:
        """Return CPU seconds that others were seen to take, on the run's cores if it has any."""
        total = self.others.total - self._others_before
        return min(total, self._on_cores) if self._cores else total

    @property
    def cores(self) -> int:
        """Return the number of logical processors that `elsewhere` is of."""
        return len(self._cores) or cgroups.cpus()

    def look(self, descendants: Iterable[psutil.Process]) -> None:
        """Look at the runner's descendants, parents first; some 100 microseconds for each."""
        self._take(read_all(descendants))

    def look_around(self) -> float:
        """Look at all processes; return how many seconds that took."""
        begun = time.monotonic()
        usage = self._usage()
        everyone = read_all(psutil.process_iter())
        own = _descendants(os.getpid(), everyone)
        self._take([process for process in everyone if process.pid in own])
        others = [process for process in everyone if process.pid not in own | {os.getpid()}]
        self.others.look([each for each in others if self._may_be_beside(each)])
        self.at, self.stolen = begun, sum(core.stolen for core in read_cores(self._cores))
        if self._cgroup is not None:
            self.unseen = max(0.0, self.run_seconds - self.run.total)
        elif usage is not None:
            self._beside.look([process for process in others if process.pid in usage.processes])
            seen = self._beside.total + self._runner.seconds + self.run.total
            missing = usage.seconds - seen
            if self._accounted is None:
                self._accounted = missing
            self.unseen = max(0.0, missing - self._accounted)
        if self._cores:
            self._count_cores()
        return time.monotonic() - begun

    def _may_be_beside(self, other: ProcessTime) -> bool:
        """Return whether another process may run on the cores."""
        try:
            return not self._cores or bool(os.sched_getaffinity(other.pid) & self._cores)
        except OSError:  # it is gone
            return False

    def _count_cores(self) -> None:
        """Count for how long the cores were busy with something else since the first look."""
        own = self.run_seconds + self._runner.seconds
        spent = sum(core.busy for core in read_cores(self._cores)) - own
        if self._on_cores_before is None:
            self._on_cores_before, self._others_before = spent, self.others.total
        self._on_cores = max(0.0, spent - self._on_cores_before)

    def _take(self, own: Sequence[ProcessTime]) -> None:
        """Take note of the run's processes, and of those that the runner itself waited for."""
        self._runner = _read_self()
        waited_for = self._runner.reaped - self._before.reaped
        self.run.look([replace(self._runner, seconds=0.0, reaped=waited_for), *own])


def _read_self() -> ProcessTime:
    (this,) = read_all([psutil.Process()])
    return this


def _name(process: psutil.Process) -> str:
    if not psutil.LINUX:
        return process.name()
    try:  # psutil's own reads the command line too, however long that is
        return Path(f"/proc/{process.pid}/comm").read_bytes().decode(errors="replace").rstrip()
    except OSError as error:
        raise psutil.NoSuchProcess(process.pid) from error


@dataclass(frozen=True)
class CoreTimes:
    """Seconds in which a core was busy with processes, and those that the host took from it."""

    busy: float
    stolen: float


def read_cores(cores: Collection[int]) -> list[CoreTimes]:
    """Read the counters of these cores; without any, of all that this process may use."""
    times = psutil.cpu_times(percpu=True)
    allowed = psutil.Process().cpu_affinity() if psutil.LINUX else None
    wanted = cores or allowed or ()
    if wanted and max(wanted) < len(times):  # a container may be shown fewer than it is given
        times = [times[core] for core in wanted]
    return [
        CoreTimes(each.user + getattr(each, "nice", 0.0) + each.system, getattr(each, "steal", 0.0))
        for each in times
    ]


def _descendants(pid: int, processes: Iterable[ProcessTime]) -> frozenset[int]:
    children = defaultdict(list)
    for process in processes:
        children[process.parent].append(process.pid)
    descendants, left = set[int](), [pid]
    while left:
        new = [child for child in children[left.pop()] if child not in descendants]
        descendants.update(new)
        left.extend(new)
    return frozenset(descendants)
