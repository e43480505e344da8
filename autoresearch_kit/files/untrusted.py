"""Read what unreviewed code wrote: never through a link, never a pipe, never without end.

All of it goes through descriptors, so that a file that is swapped for a link is never followed.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from autoresearch_kit.errors import KitError

MAX_DEPTH = 64  # levels of folders. Compilers need 5.

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""Errors of opening a folder that was removed, or replaced, since it was seen."""


def read_untrusted(path: Path, limit: int, offset: int = 0) -> bytes:
    """Return at most `limit` bytes of the plain file at `path`, from `offset` on.

    A notebook may put a symbolic link, a pipe or 100 GB where a file is expected.

    Raises:
        FileNotFoundError: nothing is there.
        KitError: something other than a plain file is there.
        OSError: it can't be read.
    """
    with plain_file(path) as file:
        file.seek(offset)
        return file.read(limit)


def read_untrusted_tail(path: Path, limit: int) -> bytes:
    """Return the last `limit` bytes of the plain file at `path`; raise as `read_untrusted` does."""
    with plain_file(path) as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - limit))
        return file.read(limit)


def read_if_plain(path: Path, limit: int) -> bytes:
    """Return the first `limit` bytes of the plain file at `path`; empty if there is none."""
    try:
        return read_untrusted(path, limit)
    except (OSError, KitError):
        return b""


@contextmanager
def plain_file(path: Path | str, folder: int | None = None) -> Iterator[BinaryIO]:
    """Open the plain file at `path`, or with this name in an open folder, for reading.

    Raises:
        FileNotFoundError: nothing is there.
        KitError: something other than a plain file is there.
        OSError: it can't be opened.
    """
    name = Path(path).name
    try:
        descriptor = os.open(path, _FILE, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise KitError(f"{name} is a link; a plain file was expected") from error
        if error.errno == errno.ENXIO:  # a socket, or a device without a driver
            raise KitError(f"{name} is not a plain file") from error
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise KitError(f"{name} is not a plain file")
        if status.st_nlink > 1:  # the other name may be somebody else's
            raise KitError(f"{name} is a hard link; a file of its own was expected")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Entry:
    """Anything below a folder: its path from there, and its name in the open `folder` that contains
    it, which is closed when the next entry is asked for."""

    path: str
    name: str
    folder: int
    status: os.stat_result

    @property
    def is_plain(self) -> bool:
        """Return whether it is a plain file with no other name."""
        return stat.S_ISREG(self.status.st_mode) and self.status.st_nlink == 1

    @property
    def is_folder(self) -> bool:
        """Return whether it is a folder."""
        return stat.S_ISDIR(self.status.st_mode)


def entries(folder: Path) -> Iterator[Entry]:
    """Yield everything below `folder`, listed as it is asked for. Links are named, not followed.

    Raises:
        FileNotFoundError: there is no such folder.
        KitError: it is a link or no folder; or one below it can't be read, or is too deep.
    """
    try:
        top = os.open(folder, _FOLDER)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise KitError(f"{folder.name} is no folder that can be read: {error.strerror}") from error
    yield from _below(top, "", 1)


def _below(folder: int, path: str, depth: int) -> Iterator[Entry]:
    """Yield the entries below an open folder, and close it."""
    try:
        with os.scandir(folder) as listed:
            for entry in listed:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                yield Entry(path + entry.name, entry.name, folder, status)
                if stat.S_ISDIR(status.st_mode):
                    if depth >= MAX_DEPTH:
                        raise KitError(f"folders lie more than {MAX_DEPTH} deep in each other")
                    try:
                        inner = os.open(entry.name, _FOLDER, dir_fd=folder)
                    except OSError as error:
                        if error.errno in _GONE:
                            continue
                        raise KitError(f"a folder can't be read: {error.strerror}") from error
                    yield from _below(inner, f"{path}{entry.name}/", depth + 1)
    finally:
        os.close(folder)
