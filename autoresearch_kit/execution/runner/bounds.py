"""How much of the machine a run may take besides memory: processes, threads, and disk.

No limit of the system does it: root's processes are not counted, bubblewrap bounds neither, and
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
"""Compilers and loaders of data start some dozens, on a large machine."""

MAX_THREADS = 8192

MAX_FILES = 100_000
"""Files on the disk, and as many open ones: a disk can run out of these, too."""

MAX_FOLDERS = 10_000
"""Compilers make some hundreds. Some disks take 2 ms to remove one, 100 times as long as a file."""

LOOK_SECONDS = 2.0
"""Between two looks at all files while nothing fills the disk; one at 1,000 files takes 4 ms."""

LOOK_SHARE = 0.1
"""Of the time may go into such looks at most, however many files there are."""

FREE_SHARE = 0.5
"""Of what was free on the disk at the start, a run may fill so much."""

BLOCK_BYTES = 512
"""What `st_blocks` counts in, on any file system."""


class Bounds:
    """Watches one run's processes and what it has on the disk in `folders`.

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
        """Whether so much was started lately that it is time to look. Costs microseconds."""
        return tasks() > self._tasks + MAX_PROCESSES / 2

    def excess(self, processes: Sequence[psutil.Process]) -> Failure | None:
        """What the run has too much of, None if nothing."""
        return self._started(processes) or self._written(processes)

    def _started(self, processes: Sequence[psutil.Process]) -> Failure | None:
        self._tasks = tasks()
        if len(processes) > MAX_PROCESSES:
            detail = f"{len(processes):,} processes, {MAX_PROCESSES} allowed"
            return Failure(Reason.OUT_OF_PROCESSES, detail)
        threads = sum(_threads(process) for process in processes)
        if threads > MAX_THREADS:
            detail = f"{threads:,} threads, {MAX_THREADS:,} allowed"
            return Failure(Reason.OUT_OF_PROCESSES, detail)
        return None

    def _written(self, processes: Sequence[psutil.Process]) -> Failure | None:
        """Looks at all files seldom, but at once when the disk has much less room."""
        begun = time.monotonic()
        if begun < self._earliest_look or (begun < self._next_look and not self._fills()):
            return None
        found = self._listed(processes)
        ended = time.monotonic()
        self._next_look = ended + LOOK_SECONDS
        self._earliest_look = ended + (ended - begun) / LOOK_SHARE
        return found

    def _fills(self) -> bool:
        """Return whether half of the disk that the run may take is gone."""
        room, free_files = _free(self._disk)
        filled, made = self._room - room, self._free_files - free_files
        return filled >= self._allowed / 2 or made >= MAX_FOLDERS / 2

    def _listed(self, processes: Sequence[psutil.Process]) -> Failure | None:
        """Lists all files, up to the one that is too many."""
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
                sizes[_file(status)] = _bytes(status)
            for status in _nameless(processes):
                sizes[_file(status)] = _bytes(status)
        except KitError as error:
            return Failure(Reason.OUT_OF_DISK, f"what it wrote can't be counted: {error}")
        used, allowed = sum(sizes.values()) / MEGABYTE, self._allowed / MEGABYTE
        if used > allowed:
            detail = f"{used:,.0f} MB written, {allowed:,.0f} MB allowed"
            return Failure(Reason.OUT_OF_DISK, detail)
        return None

    def _named(self) -> Iterator[os.stat_result]:
        for folder in self._folders:
            with suppress(FileNotFoundError):
                yield from (entry.status for entry in entries(folder))


def tasks() -> int:
    """Processes and threads on this machine; 0 where the system does not say so cheaply."""
    try:
        return int(Path("/proc/loadavg").read_text().split()[3].split("/")[1])
    except (OSError, IndexError, ValueError):
        return 0


def allowed_bytes(folder: Path, memory_mb: float) -> float:
    """Bytes that a run may write below `folder`: see `Bounds`."""
    return min(memory_mb * MEGABYTE, _free(folder)[0] * FREE_SHARE)


def _free(folder: Path) -> tuple[int, int]:
    """Bytes that are free on the disk, and files; 0 files where it has no bound of them."""
    free = os.statvfs(folder)
    return free.f_bavail * free.f_frsize, free.f_ffree


def _threads(process: psutil.Process) -> int:
    try:
        return process.num_threads()
    except psutil.Error:
        return 0


def _file(status: os.stat_result) -> tuple[int, int]:
    """Return what identifies the file, so that one with several names counts once."""
    return status.st_dev, status.st_ino


def _bytes(status: os.stat_result) -> int:
    """Bytes on the disk: holes don't count."""
    return status.st_blocks * BLOCK_BYTES


def _nameless(processes: Sequence[psutil.Process]) -> Iterator[os.stat_result]:
    """Deleted files that these processes have open.

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
