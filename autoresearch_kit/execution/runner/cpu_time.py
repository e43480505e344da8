"""CPU seconds of a run and of everything beside it, as its runner reads them.

All that a run has started descends from its runner: orphans are adopted by the init of its PID
namespace, or by the runner. Where a cgroup can be made for them, that counts them all. Elsewhere a
process that died is counted by whoever waited for it; where nobody did, what it had taken when it
was last seen is remembered; and what was never seen, such as a child that lived for less than a
look, is what is missing of the usage of the runner's own cgroup when all other processes in it are
taken away.
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

Key = tuple[int, float]
"""No two processes have had the same number and begun at the same time."""


@dataclass(frozen=True)
class ProcessTime:
    """CPU seconds of a process: its own, and those of its children that it waited for."""

    pid: int
    born: float
    parent: int
    name: str
    seconds: float
    reaped: float

    @property
    def key(self) -> Key:
        """What no other process shares."""
        return self.pid, self.born


def read_process(process: psutil.Process) -> ProcessTime | None:
    """Read one process; None if it is gone, or nothing is told of it."""
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


class Tally:
    """Adds up the CPU seconds of processes, and of those that are gone, from looks at them.

    A process that is gone is counted by whoever waited for it, so that what is waited for grows by
    as much at the latest until the next look. What is missing then was waited for by nobody: it
    stays in the sum as it was last seen.
    """

    def __init__(self) -> None:
        self._living: dict[Key, ProcessTime] = {}
        self._gone: defaultdict[str, float] = defaultdict(float)
        self._lost = 0.0
        self._missing = 0.0

    @property
    def total(self) -> float:
        """CPU seconds of all of them."""
        living = sum(one.seconds + one.reaped for one in self._living.values())
        return living + self._lost + self._missing

    @property
    def by_name(self) -> Mapping[str, float]:
        """CPU seconds by the names of those that were seen."""
        names = self._gone.copy()
        for one in self._living.values():
            names[one.name] += one.seconds
        return names

    def look(self, seen: Collection[ProcessTime]) -> None:
        """Take note of the processes as they are now; those that are not among them are gone."""
        before, self._living = self._living, {one.key: one for one in seen}
        gone = [one for key, one in before.items() if key not in self._living]
        waited_for = sum(
            one.reaped - (before[key].reaped if key in before else 0.0)
            for key, one in self._living.items()
        )
        missing = sum(one.seconds + one.reaped for one in gone) - waited_for
        self._lost += max(0.0, self._missing + min(0.0, missing))
        self._missing = max(0.0, missing)
        for one in gone:
            self._gone[one.name] += one.seconds


class CpuReader:
    """Reads what a run and all else takes of the cores. For its runner, one thread at a time.

    `run` are the runner's descendants, `others` all processes but those and the runner, `stolen` is
    what a virtual machine's host took: of the last two, as they were `at` the last look around.
    `unseen` are CPU seconds of the run that no process which was seen tells of.
    """

    def __init__(self, usage: Callable[[], Usage | None] = cgroups.usage) -> None:
        self.run = Tally()
        self.others = Tally()
        self._beside = Tally()
        self.at = 0.0
        self.stolen = 0.0
        self._usage = usage
        self._cgroup: Path | None = None
        self._counted = 0.0
        self._runner = 0.0
        self._accounted: float | None = None
        self._reaped_before: float | None = None
        self.unseen = 0.0

    @property
    def run_seconds(self) -> float:
        """CPU seconds of the run so far, those that were never seen among them."""
        if self._cgroup is None:
            return self.run.total + self.unseen
        self._counted = cgroups.seconds(self._cgroup) or self._counted  # it is gone after the run
        return self._counted

    def count_by(self, cgroup: Path) -> None:
        """Count the run by its own cgroup, in which all of its processes are."""
        self._cgroup = cgroup

    @property
    def elsewhere(self) -> float:
        """CPU seconds that were seen to go to others, the host among them."""
        return self.others.total + self.stolen

    def look(self, descendants: Iterable[psutil.Process]) -> None:
        """Look at the runner's descendants, parents first; some 100 microseconds for each."""
        self._take(read_all(descendants))

    def look_around(self) -> float:
        """Look at all processes; returns how many seconds that took."""
        begun = time.monotonic()
        usage = self._usage()
        found = read_all(psutil.process_iter())
        own = _descendants(os.getpid(), found)
        self._take([one for one in found if one.pid in own])
        others = [one for one in found if one.pid not in own and one.pid != os.getpid()]
        self.others.look(others)
        self.at, self.stolen = begun, _stolen()
        if self._cgroup is not None:
            self.unseen = max(0.0, self.run_seconds - self.run.total)
        elif usage is not None:
            self._beside.look([one for one in others if one.pid in usage.processes])
            self._account_for(usage.seconds)
        return time.monotonic() - begun

    def _take(self, own: Sequence[ProcessTime]) -> None:
        """The runner itself tells of descendants that it waited for."""
        runner = read_process(psutil.Process())
        assert runner is not None, "that is this process"
        if self._reaped_before is None:
            self._reaped_before = runner.reaped
        self._runner = runner.seconds
        waited_for = runner.reaped - self._reaped_before
        self.run.look([replace(runner, seconds=0.0, reaped=waited_for), *own])

    def _account_for(self, usage: float) -> None:
        """What the cgroup took and nobody of those that are seen, since the first time."""
        missing = usage - self._beside.total - self._runner - self.run.total
        if self._accounted is None:
            self._accounted = missing
        self.unseen = max(0.0, missing - self._accounted)


def read_all(processes: Iterable[psutil.Process]) -> list[ProcessTime]:
    """Read those processes that are there."""
    return [one for one in map(read_process, processes) if one is not None]


def _name(process: psutil.Process) -> str:
    """Return the name as the system has it; psutil reads the command line too, however long.

    Raises:
        psutil.Error: the process is gone, or nothing is told of it.
    """
    if not psutil.LINUX:
        return process.name()
    try:
        return Path(f"/proc/{process.pid}/comm").read_bytes().decode(errors="replace").rstrip()
    except OSError as error:
        raise psutil.NoSuchProcess(process.pid) from error


def _stolen() -> float:
    """Seconds that the host took of the cores that this process may use."""
    cores = psutil.cpu_times(percpu=True)
    allowed = psutil.Process().cpu_affinity() if psutil.LINUX else None
    if allowed and max(allowed) < len(cores):  # a container may be shown fewer than it is given
        cores = [cores[core] for core in allowed]
    return sum(getattr(core, "steal", 0.0) for core in cores)


def _descendants(pid: int, processes: Iterable[ProcessTime]) -> frozenset[int]:
    """Return the numbers of all processes that descend from `pid`."""
    children = defaultdict(list)
    for one in processes:
        children[one.parent].append(one.pid)
    found, left = set[int](), [pid]
    while left:
        new = [child for child in children[left.pop()] if child not in found]
        found.update(new)
        left.extend(new)
    return frozenset(found)
