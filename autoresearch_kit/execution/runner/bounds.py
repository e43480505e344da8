"""Bound what a run may take of the machine besides memory: processes, threads, and disk.

No limit of the system does it: root's processes are not counted, bubblewrap limits neither, and
quotas are rare.
"""

import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from autoresearch_kit.errors import KitError
from autoresearch_kit.execution.handover import Failure
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.files.untrusted import entries
from autoresearch_kit.records import Reason

MAX_PROCESSES = 512
"""Compilers and data loaders start some dozens on a large machine."""

MAX_THREADS = 8192

MAX_FILES = 100_000
"""Files on the disk, and as many open ones: a disk can run out of these, too."""

MAX_FOLDERS = 10_000
"""Compilers make some hundreds. Some disks take 2 ms to remove one, 100 times as long as a file."""

LOOK_SECONDS = 2.0
"""Between two looks at all files while nothing fills the disk; a look at 1,000 files takes 4 ms."""

LOOK_SHARE = 0.1
"""Largest share of the time for such looks, however many files there are."""

FREE_SHARE = 0.5
"""Share of the free disk that a run may fill."""

BLOCK_BYTES = 512
"""Unit of `st_blocks` on any file system."""


class Bounds:
    """Watches a run's processes, and what it has on the disk in `folders`.

    It may fill as much disk as it may have memory, but not more than half of what is free.
    """

    def __init__(self, folders: Sequence[Path], memory_mb: float) -> None:
        self._folders = folders
        self._disk = folders[0]
        self._room, self._free_files = _free(self._disk)
        self._allowed = allowed_bytes(self._disk, memory_mb)
        self._tasks = tasks()
        self._next_look = 0.0
        self._earliest_look = 0.0

    def hurry(self) -> bool:
        """Return whether so much was started lately that it is time to look. Takes microseconds."""
        return tasks() > self._tasks + MAX_PROCESSES / 2

    def excess(self, processes: Sequence[psutil.Process]) -> Failure | None:
        """Return what the run has too much of, None if nothing."""
        return self._too_many(processes) or self._too_much_written(processes)

    def _too_many(self, processes: Sequence[psutil.Process]) -> Failure | None:
        self._tasks = tasks()
        if len(processes) > MAX_PROCESSES:
            detail = f"{len(processes):,} processes, {MAX_PROCESSES} allowed"
            return Failure(Reason.OUT_OF_PROCESSES, detail)
        threads = sum(_threads(process) for process in processes)
        if threads > MAX_THREADS:
            detail = f"{threads:,} threads, {MAX_THREADS:,} allowed"
            return Failure(Reason.OUT_OF_PROCESSES, detail)
        return None

    def _too_much_written(self, processes: Sequence[psutil.Process]) -> Failure | None:
        """Look at all files, but seldom; at once only when the disk has much less room."""
        begun = time.monotonic()
        if begun < self._earliest_look or (begun < self._next_look and not self._is_filling()):
            return None
        excess = self._count_files(processes)
        ended = time.monotonic()
        self._next_look = ended + LOOK_SECONDS
        self._earliest_look = ended + (ended - begun) / LOOK_SHARE
        return excess

    def _is_filling(self) -> bool:
        """Return whether half of the disk that the run may take is gone."""
        room, free_files = _free(self._disk)
        filled, made = self._room - room, self._free_files - free_files
        return filled >= self._allowed / 2 or made >= MAX_FOLDERS / 2

    def _count_files(self, processes: Sequence[psutil.Process]) -> Failure | None:
        """List all files, up to the first that is too many. A file with several names counts once,
        and without its holes."""
        sizes: dict[tuple[int, int], int] = {}
        files = folders = 0
        try:
            for status in self._named():
                is_folder = stat.S_ISDIR(status.st_mode)
                files, folders = files + (not is_folder), folders + is_folder
                if files > MAX_FILES:
                    return Failure(Reason.OUT_OF_DISK, f"more than {MAX_FILES:,} files written")
                if folders > MAX_FOLDERS:
                    return Failure(Reason.OUT_OF_DISK, f"more than {MAX_FOLDERS:,} folders made")
                sizes[status.st_dev, status.st_ino] = status.st_blocks
            for status in _deleted(processes):
                sizes[status.st_dev, status.st_ino] = status.st_blocks
        except KitError as error:
            return Failure(Reason.OUT_OF_DISK, f"what it wrote can't be counted: {error}")
        used, allowed = sum(sizes.values()) * BLOCK_BYTES / MEGABYTE, self._allowed / MEGABYTE
        if used > allowed:
            detail = f"{used:,.0f} MB written, {allowed:,.0f} MB allowed"
            return Failure(Reason.OUT_OF_DISK, detail)
        return None

    def _named(self) -> Iterator[os.stat_result]:
        for folder in self._folders:
            with suppress(FileNotFoundError):
                yield from (entry.status for entry in entries(folder))


def tasks() -> int:
    """Return the number of processes and threads on this machine; 0 where that is not known."""
    try:
        return int(Path("/proc/loadavg").read_text().split()[3].split("/")[1])
    except (OSError, IndexError, ValueError):
        return 0


def allowed_bytes(folder: Path, memory_mb: float) -> float:
    """Return the bytes that a run may write below `folder` (see `Bounds`)."""
    return min(memory_mb * MEGABYTE, _free(folder)[0] * FREE_SHARE)


def _free(folder: Path) -> tuple[int, int]:
    """Return the bytes and the files that are free on a disk; 0 files where they are unlimited."""
    free = os.statvfs(folder)
    return free.f_bavail * free.f_frsize, free.f_ffree


def _threads(process: psutil.Process) -> int:
    try:
        return process.num_threads()
    except psutil.Error:
        return 0


def _deleted(processes: Sequence[psutil.Process]) -> Iterator[os.stat_result]:
    """Yield the deleted files that these processes have open.

    Raises:
        KitError: more than `MAX_FILES` are open.
    """
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
