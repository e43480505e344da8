"""How much of the machine a run may take besides memory: processes, threads, and disk.

No limit of the system does it: root's processes are not counted, bubblewrap bounds neither, and
quotas are rare.
"""

import os
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from autoresearch_kit.bounded import MEGABYTE
from autoresearch_kit.execution.handover import Failure
from autoresearch_kit.records import Reason

MAX_PROCESSES = 512
"""Compilers and loaders of data start some dozens, on a large machine."""

MAX_THREADS = 8192

MAX_FILES = 100_000
"""In the work folder: a disk can run out of these, too."""

LOOK_SECONDS = 10.0
"""Between two looks at all files, which takes milliseconds, while nothing fills the disk."""

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
        self._room = _room(self._disk)
        self._allowed = min(memory_mb * MEGABYTE, self._room * FREE_SHARE)
        self._tasks = tasks()
        self._next_look = 0.0

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
        now, filled = time.monotonic(), self._room - _room(self._disk)
        if filled < self._allowed / 2 and now < self._next_look:
            return None
        self._next_look = now + LOOK_SECONDS
        sizes = dict(_sizes(self._folders, processes))
        used = sum(sizes.values())
        if used > self._allowed:
            allowed = self._allowed / MEGABYTE
            detail = f"{used / MEGABYTE:,.0f} MB written, {allowed:,.0f} MB allowed"
            return Failure(Reason.OUT_OF_DISK, detail)
        if len(sizes) > MAX_FILES:
            return Failure(Reason.OUT_OF_DISK, f"more than {MAX_FILES:,} files written")
        return None


def tasks() -> int:
    """Processes and threads on this machine; 0 where the system does not say so cheaply."""
    try:
        return int(Path("/proc/loadavg").read_text().split()[3].split("/")[1])
    except (OSError, IndexError, ValueError):
        return 0


def _room(folder: Path) -> int:
    """Bytes that are free on the disk."""
    free = os.statvfs(folder)
    return free.f_bavail * free.f_frsize


def _threads(process: psutil.Process) -> int:
    try:
        return process.num_threads()
    except psutil.Error:
        return 0


def _sizes(
    folders: Iterable[Path], processes: Iterable[psutil.Process]
) -> Iterator[tuple[tuple[int, int], int]]:
    """Bytes on the disk by file: holes don't count, a deleted file that is still open does."""
    for status in (*_named(folders), *_nameless(processes)):
        yield (status.st_dev, status.st_ino), status.st_blocks * BLOCK_BYTES


def _named(folders: Iterable[Path]) -> Iterator[os.stat_result]:
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for name in names:
                with suppress(OSError):
                    yield os.lstat(os.path.join(parent, name))  # noqa: PTH118 - called so often


def _nameless(processes: Iterable[psutil.Process]) -> Iterator[os.stat_result]:
    for process in processes:
        with suppress(OSError):
            for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
                with suppress(OSError):
                    status = descriptor.stat()
                    if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                        yield status
