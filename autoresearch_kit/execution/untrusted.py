"""Reading what unreviewed code wrote: never through a link, never a pipe, never without end."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from autoresearch_kit.errors import KitError


def read_untrusted(path: Path, limit: int) -> bytes:
    """The first `limit` bytes of the plain file at `path`.

    A notebook may put a symbolic link, a pipe or 100 GB where a file is expected.

    Raises:
        FileNotFoundError: nothing is there.
        KitError: something else than a plain file is there.
    """
    with plain_file(path) as file:
        return file.read(limit)


def read_untrusted_tail(path: Path, limit: int) -> bytes:
    """The last `limit` bytes of the plain file at `path`; raises as `read_untrusted` does."""
    with plain_file(path) as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - limit))
        return file.read(limit)


def read_untrusted_from(path: Path, offset: int, limit: int) -> bytes:
    """`limit` bytes at most of the plain file at `path`, from `offset` on; raises as above."""
    with plain_file(path) as file:
        file.seek(offset)
        return file.read(limit)


@contextmanager
def plain_file(path: Path) -> Iterator[BinaryIO]:
    """Opens the plain file at `path` for reading; raises as `read_untrusted` does."""
    if path.is_symlink():
        raise KitError(f"{path.name} is a link; a plain file was expected")
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise KitError(f"{path.name} is not a plain file")
        yield file
