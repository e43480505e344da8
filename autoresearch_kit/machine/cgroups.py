"""Find how many cores and how much memory this process may use, and count CPU time by cgroups.

Containers, Colab and Slurm limit both by cgroups, of version 1 or 2, while /proc shows the whole
machine. A limit of a parent cgroup holds too. (docs.kernel.org/admin-guide/cgroup-v2.html, and
cgroup-v1/memory.html; the quota of version 1 is in scheduler/sched-bwc.html.)
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

import psutil

from autoresearch_kit.files.bounded import MEGABYTE

T = TypeVar("T")

MOUNT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
"""The file with this process's cgroups, a line for each hierarchy, such as `4:memory:/jobs/17`."""


@dataclass(frozen=True)
class Usage:
    """CPU seconds that a cgroup has taken so far, and the processes in it now."""

    seconds: float
    processes: frozenset[int]


def cores() -> int:
    """Return the number of cores to compute on: physical ones, as two threads on one are slower."""
    return min(psutil.cpu_count(logical=False) or os.cpu_count() or 1, cpus())


def cpus() -> int:
    """Return how many logical processors this process may keep busy, at least 1.

    With a quota of 1.5 that is 1: the system would stop two threads for a quarter of the time, at
    any moment, and in a parallel loop each waits for the other.
    """
    # of this thread: it may be pinned for what it starts
    here = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, int(min(here, cpu_limit() or here)))


def memory_mb() -> float:
    """Return the MB of memory that this process and its children may take."""
    total = psutil.virtual_memory().total
    return min(total, memory_limit() or total) / MEGABYTE


def cpu_limit(mount: Path = MOUNT, own: Path = OWN) -> float | None:
    """Return how many processors the cgroups of this process allow it, None if all."""
    quotas = [_quota(folder) for folder in _folders("cpu", mount, own)]
    sets = [_processors(folder) for folder in _folders("cpuset", mount, own)]
    return min((limit for limit in (*quotas, *sets) if limit), default=None)


def memory_limit(mount: Path = MOUNT, own: Path = OWN) -> int | None:
    """Return the bytes that the cgroups of this process allow it, None if all.

    Without a limit, version 1 has a number larger than any memory.
    """
    limits = (
        _read(folder / name, int)
        for folder in _folders("memory", mount, own)
        for name in ("memory.max", "memory.limit_in_bytes")
    )
    return min((limit for limit in limits if limit), default=None)


def usage(mount: Path = MOUNT, own: Path = OWN) -> Usage | None:
    """Return the CPU time of this process's cgroup, with that of the cgroups below it.

    It is None where no file has it, or where the cgroup has processes that can't be seen from here.
    The root of version 2's hierarchy is left out: it counts interrupts and a host's time, too.
    """
    for folder in _folders("cpuacct", mount, own):
        if any((folder / name).exists() for name in ("cpuacct.usage", "cgroup.events")):
            taken = seconds(folder)
            return None if taken is None else _usage(taken, folder)
    return None


def below(name: str, mount: Path = MOUNT, own: Path = OWN) -> Path | None:
    """Return the folder of a cgroup of this name below this process's own, made already or not;
    None where cgroups can't count CPU time."""
    for folder in _folders("cpuacct", mount, own):
        if (folder / "cpuacct.usage").exists() or (folder / "cpu.stat").exists():
            return folder / name
    return None


def make(folder: Path) -> bool:
    """Make a cgroup with a weight for all CPUs; return whether processes can enter it."""
    try:
        folder.mkdir(exist_ok=True)
        for file, weight in (("cpu.shares", 1024), ("cpu.weight", 100)):
            if (folder / file).exists():
                (folder / file).write_text(str(min(10_000, weight * cpus())))
    except OSError:
        return False
    return os.access(folder / "cgroup.procs", os.W_OK)


def remove(folder: Path) -> None:
    """Remove a cgroup if it exists and is empty."""
    with suppress(OSError):
        folder.rmdir()


def has(folder: Path, pid: int) -> bool:
    """Return whether a process is in this cgroup."""
    return str(pid) in (_read(folder / "cgroup.procs", str.split) or [])


def seconds(folder: Path) -> float | None:
    """Return the CPU seconds that a cgroup has taken; None if no file has them."""
    nanoseconds = _read(folder / "cpuacct.usage", int)
    return nanoseconds / 1e9 if nanoseconds is not None else _read(folder / "cpu.stat", _used)


def _usage(taken: float, folder: Path) -> Usage | None:
    lists = [_read(path, str.split) for path in folder.rglob("cgroup.procs")]
    pids = frozenset(int(pid) for listed in lists for pid in listed or ())
    return None if 0 in pids else Usage(taken, pids)  # 0: a process that can't be seen from here


def _used(text: str) -> float:
    return int(text.split("usage_usec")[1].split()[0]) / 1e6


def _folders(controller: str, mount: Path, own: Path) -> Iterator[Path]:
    """Yield the cgroups of this process that may limit what `controller` does, its own first.

    In a container the path may be the host's, of which only the container's root is mounted.
    """
    try:
        lines = os.fsdecode(own.read_bytes()).splitlines()
    except OSError:  # no cgroups: not Linux, or hidden
        return
    for line in lines:
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        root = _root(mount, names, controller)
        inside = PurePosixPath(path.lstrip("/"))
        if ".." not in inside.parts:
            yield from (root / path for path in (inside, *inside.parents))
        else:  # outside of what this cgroup namespace shows
            yield root


def _root(mount: Path, names: str, controller: str) -> Path:
    """Return where a hierarchy is mounted; version 2's, without names, may be beside 1's."""
    if not names:
        return mount / "unified" if (mount / "unified").is_dir() else mount
    return mount / names if (mount / names).is_dir() else mount / controller


def _quota(folder: Path) -> float | None:
    """Return a cgroup's limit of CPU time in processors; None if it has none."""
    quota, period = _read(folder / "cpu.max", _two) or (
        _read(folder / "cpu.cfs_quota_us", int) or -1,
        _read(folder / "cpu.cfs_period_us", int) or 0,
    )
    return quota / period if quota > 0 and period > 0 else None


def _two(text: str) -> tuple[int, int]:
    quota, period = map(int, text.split())
    return quota, period


def _processors(folder: Path) -> int | None:
    """Return how many processors are in a cgroup's set, such as `0-3,8`; None if it has no set."""
    names = ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus")
    counts = (_read(folder / name, _count) for name in names)
    return next((count for count in counts if count), None)


def _count(text: str) -> int:
    ranges = [part.partition("-") for part in text.strip().split(",") if part]
    return sum(int(last or first) - int(first) + 1 for first, _, last in ranges)


def _read(path: Path, parse: Callable[[str], T]) -> T | None:
    """Return a file's parsed content; None if it can't be read or parsed, such as `max`."""
    try:
        return parse(path.read_text())
    except (OSError, ValueError):
        return None
