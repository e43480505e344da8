"""Read files that may be anything: huge, a pipe without an end, no text at all."""

import os
import stat
from pathlib import Path

from autoresearch_kit.errors import InputError

MEGABYTE = 1_000_000  # bytes of a MB, in which the kit measures, limits and shows every size


def read_start(path: Path, limit: int) -> bytes:
    """Return at most the first `limit` bytes of a file; a link is followed.

    Raises:
        FileNotFoundError: nothing is there.
        InputError: it is a folder, a device or a pipe.
        OSError: it can't be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError(f"{path} is not a plain file")
    with os.fdopen(descriptor, "rb") as file:
        return file.read(limit)


def read_all(path: Path, limit: int) -> bytes:
    """Return all of a file that has at most `limit` bytes; raise also as `read_start` does.

    Raises:
        InputError: it is larger; the message says what is allowed.
    """
    data = read_start(path, limit + 1)
    if len(data) > limit:
        size = path.stat().st_size / MEGABYTE
        raise InputError(f"{path} has {size:,.1f} MB; at most {limit / MEGABYTE:g} are read")
    return data
