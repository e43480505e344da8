"""List the files below a folder, and read them, packed ones too."""

import bz2
import gzip
import lzma
import math
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedIOBase
from typing import IO

PIECE = 2**22  # bytes read at a time
OVERLAP = 200  # bytes that pieces of a file have in common
INFLATED = 50_000_000  # bytes that are read of one packed file at most

LIBRARIES = (".so", ".a", ".o")
"""Parts of paths of files that are read last: they are large and contain the least text."""

PACKED: Mapping[bytes, Callable[[str], BufferedIOBase]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}
"""Readers of packed files, by their first bytes."""

ZIP = b"PK\x03\x04"

NOT_PACKED = (
    OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError,
    NotImplementedError, ValueError,
)  # fmt: skip
"""Errors that readers raise for files that are damaged, encrypted or not packed at all."""


@dataclass(frozen=True)
class File:
    """A file to read: its size in bytes, its disk and inode, and its times (modified, changed)."""

    path: str
    size: int
    inode: tuple[int, int]
    times: tuple[int, int]


def files(root: str, without: Iterable[str]) -> list[File]:
    """Return the plain files below a folder, each once, first those that are most likely text."""
    known: dict[tuple[int, int], File] = {}
    waiting, skipped = [root], {*without}
    while waiting:
        entries: list[os.DirEntry[str]] = []
        with suppress(OSError), os.scandir(waiting.pop()) as listed:  # else no run can list it
            entries = [entry for entry in listed if entry.path not in skipped]
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                with suppress(OSError):  # it is gone
                    file = _file(entry)
                    known.setdefault(file.inode, file)
    return sorted(known.values(), key=lambda file: (_is_library(file.path), file.size))


def _file(entry: "os.DirEntry[str]") -> File:
    status = entry.stat(follow_symlinks=False)
    inode, times = (status.st_dev, status.st_ino), (status.st_mtime_ns, status.st_ctime_ns)
    return File(entry.path, status.st_size, inode, times)


def _is_library(path: str) -> bool:
    return any(mark in path for mark in LIBRARIES)


def pieces(path: str) -> Iterator[bytes]:
    """Yield a file's bytes in pieces that overlap by what it takes to see a copy at their border.

    A packed file's content is yielded too, as far as it can be unpacked.
    """
    # the file may have become a link or a pipe meanwhile
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    with os.fdopen(os.open(path, flags), "rb") as opened:
        head = opened.read(len(max(PACKED, key=len)))
        opened.seek(0)
        yield from _overlapping(opened)
    with suppress(*NOT_PACKED):
        for mark, unpack in PACKED.items():
            if head.startswith(mark):
                with unpack(path) as inner:
                    yield from _overlapping(inner, INFLATED)
        if head.startswith(ZIP):
            yield from _members(path)


def _members(path: str) -> Iterator[bytes]:
    left = INFLATED
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if left <= 0:
                return
            with archive.open(member) as inner:
                yield from _overlapping(inner, left)
            left -= member.file_size


def _overlapping(opened: BufferedIOBase | IO[bytes], most: float = math.inf) -> Iterator[bytes]:
    rest, taken = b"", 0
    while taken < most and (data := opened.read(PIECE)):
        taken += len(data)
        yield rest + data
        rest = data[-OVERLAP:]
