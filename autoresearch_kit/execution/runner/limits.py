"""Limit what a run takes of the machine: memory, GPU memory, processes, threads and disk.

No limit of the system does it: root's processes are not counted, bubblewrap limits none of these,
and quotas are rare.
"""

import os
import stat
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from autoresearch_kit.errors import KitError
from autoresearch_kit.execution.handover import Failure
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.files.untrusted import entries
from autoresearch_kit.machine import gpu
from autoresearch_kit.machine.gpu import GpuMemory
from autoresearch_kit.records import Reason

MAX_PROCESSES = 512  # compilers and data loaders start some dozens on a large machine

MAX_THREADS = 8192

MAX_FILES = 100_000  # files on the disk, and as many open ones: a disk can run out of these, too

MAX_FOLDERS = 10_000
"""Compilers make some hundreds. Some disks take 2 ms to remove one, 100 times as long as a file."""

LISTING_SHARE = 0.05
"""Largest share of a core's time for listing the run's files; 1,000 files take 4 ms."""

FREE_SHARE = 0.5  # share of the free disk that a run may fill
BLOCK_BYTES = 512  # unit of `st_blocks` on any file system

DISPLAYS_MB = 1000.0
"""Memory by which this process may grow: what it holds of a notebook are its displays."""


class Limits:
    """Checks a run's processes, and what it has written, against its limits.

    It may write to the folders `work` and `sockets`; the second need not be there. It may fill as
    much disk as it may have memory, but not more than half of what is free.
    """

    def __init__(self, work: Path, sockets: Path, memory_mb: float) -> None:
        self.peak_memory_mb = 0.0
        self._work = work
        self._sockets = sockets
        self._memory_mb = memory_mb
        self._disk_bytes = allowed_bytes(work, memory_mb)
        self._own_memory_mb = _own_memory_mb()
        self._tasks = tasks()
        self._next_listing = 0.0

    def many_started(self) -> bool:
        """Return whether so much was started since the last check that the next can't wait."""
        return tasks() > self._tasks + MAX_PROCESSES / 2

    def exceeded(self, processes: Sequence[psutil.Process]) -> Failure | None:
        """Return the first limit that the run, with all these processes, exceeds."""
        self._tasks = tasks()
        return _too_many(processes) or self._check_disk(processes) or self._check_memory(processes)

    def _check_memory(self, processes: Sequence[psutil.Process]) -> Failure | None:
        used = memory_mb(processes)
        self.peak_memory_mb = max(self.peak_memory_mb, used)
        if used > self._memory_mb:
            detail = f"{used:,.0f} MB used, {self._memory_mb:,.0f} MB allowed"
            return Failure(Reason.OUT_OF_MEMORY, detail)
        grown = _own_memory_mb() - self._own_memory_mb
        if grown > DISPLAYS_MB:
            return Failure(Reason.OUT_OF_MEMORY, f"it displayed more than {grown:,.0f} MB at once")
        return None

    def _check_disk(self, processes: Sequence[psutil.Process]) -> Failure | None:
        begun = time.monotonic()
        if begun < self._next_listing:
            return None
        try:
            used, allowed = self._written(processes) / MEGABYTE, self._disk_bytes / MEGABYTE
        except KitError as error:
            return Failure(Reason.OUT_OF_DISK, str(error))
        ended = time.monotonic()
        self._next_listing = ended + (ended - begun) / LISTING_SHARE
        if used > allowed:
            detail = f"{used:,.0f} MB written, {allowed:,.0f} MB allowed"
            return Failure(Reason.OUT_OF_DISK, detail)
        return None

    def _written(self, processes: Sequence[psutil.Process]) -> int:
        """Return the bytes on the disk of all files, deleted ones that are still open included.

        A file with several names counts once, and without its holes.

        Raises:
            KitError: the files are too many to list, or can't be listed.
        """
        sizes: dict[tuple[int, int], int] = {}
        files = folders = 0
        for status in self._statuses():
            is_folder = stat.S_ISDIR(status.st_mode)
            files, folders = files + (not is_folder), folders + is_folder
            if files > MAX_FILES:
                raise KitError(f"more than {MAX_FILES:,} files written")
            if folders > MAX_FOLDERS:
                raise KitError(f"more than {MAX_FOLDERS:,} folders made")
            sizes[status.st_dev, status.st_ino] = status.st_blocks
        for status in _deleted(processes):
            sizes[status.st_dev, status.st_ino] = status.st_blocks
        return sum(sizes.values()) * BLOCK_BYTES

    def _statuses(self) -> Iterator[os.stat_result]:
        try:
            yield from (entry.status for entry in entries(self._work))
            with suppress(FileNotFoundError):
                yield from (entry.status for entry in entries(self._sockets))
        except KitError as error:
            raise KitError(f"what it wrote can't be counted: {error}") from error


class GpuPeak:
    """The highest GPU memory that a run was seen to hold, in MB; None without an NVIDIA GPU.

    In containers the driver may number processes differently or name none: then the run's memory is
    what is in use above the least seen so far. So look once before the run has used a GPU.
    """

    def __init__(self, look: Callable[[], tuple[GpuMemory, ...]] = gpu.memory) -> None:
        self.mb: float | None = None
        self.total_mb = 0.0
        self._look = look
        self._least: dict[str, int] = {}

    def look(self, own: Collection[int]) -> float:
        """Return the MB that the run, whose processes are `own`, holds; takes a millisecond."""
        gpus = self._look()
        held = sum(self._held(gpu, own) for gpu in gpus) / MEGABYTE
        if gpus:
            self.mb = max(self.mb or 0.0, held)
            self.total_mb = sum(gpu.total for gpu in gpus) / MEGABYTE
        return held

    def _held(self, gpu: GpuMemory, own: Collection[int]) -> int:
        least = self._least[gpu.uuid] = min(self._least.get(gpu.uuid, gpu.used), gpu.used)
        mine = [size for process, size in gpu.processes.items() if process in own]
        known = [size for size in mine if size is not None]
        if mine and len(known) == len(mine):
            return sum(known)
        if gpu.processes and not mine and all(map(psutil.pid_exists, gpu.processes)):
            return 0  # the driver's numbers are ours, and all processes others'
        return gpu.used - least


def memory_mb(processes: Sequence[psutil.Process]) -> float:
    """Return the memory of these processes. Pages that they share count once, on Linux."""
    return sum(map(_memory, processes)) / MEGABYTE


def tasks() -> int:
    """Return the number of processes and threads on this machine; 0 where that is not known."""
    try:
        return int(Path("/proc/loadavg").read_text().split()[3].split("/")[1])
    except (OSError, IndexError, ValueError):
        return 0


def allowed_bytes(folder: Path, memory_mb: float) -> float:
    """Return the bytes that a run may write below `folder` (see `Limits`)."""
    free = os.statvfs(folder)
    return min(memory_mb * MEGABYTE, free.f_bavail * free.f_frsize * FREE_SHARE)


def _own_memory_mb() -> float:
    """Return the memory of this process, which watches the run and keeps its outputs."""
    return psutil.Process().memory_info().rss / MEGABYTE


def _memory(process: psutil.Process) -> int:
    try:
        if psutil.LINUX:
            with suppress(psutil.AccessDenied):
                return process.memory_full_info().pss  # RSS counts shared pages in each process
        return process.memory_info().rss
    except psutil.Error:
        return 0


def _too_many(processes: Sequence[psutil.Process]) -> Failure | None:
    threads = 0
    for process in processes:
        with suppress(psutil.Error):
            threads += process.num_threads()
    counts = [(len(processes), MAX_PROCESSES, "processes"), (threads, MAX_THREADS, "threads")]
    for count, allowed, what in counts:
        if count > allowed:
            detail = f"{count:,} {what}, {allowed:,} allowed"
            return Failure(Reason.OUT_OF_PROCESSES, detail)
    return None


def _deleted(processes: Sequence[psutil.Process]) -> Iterator[os.stat_result]:
    """Yield the deleted files that these processes have open."""
    count = 0
    for process in processes:
        with suppress(OSError), os.scandir(f"/proc/{process.pid}/fd") as descriptors:
            for descriptor in descriptors:
                count += 1
                if count > MAX_FILES:
                    raise KitError(f"more than {MAX_FILES:,} files are open")
                with suppress(OSError):
                    status = descriptor.stat()
                    if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                        yield status
