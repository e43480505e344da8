"""Remove what unreviewed code left: folders of any depth, size, names and permissions."""

import logging
import os
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

logger = logging.getLogger(__name__)

SECONDS = 20.0
"""Seconds after which a removal is broken off. 100,000 files, as many as a run may have, take 2 to
5 s; 10,000 folders take 1 to 20 s."""

PIECE = 1000  # names of a folder that are read at a time


class _OutOfTimeError(Exception):
    pass


def remove_tree(path: Path, seconds: float = SECONDS) -> None:
    """Remove `path`, if it is there, and all below it. No process that could write there may live.

    Links are removed, not followed. Each folder is moved up to `path` before it is emptied, so that
    however deep it is, two open folders, a flat stack and a short path suffice. What is left after
    `seconds` stays, with a line in the log: call again later.

    Raises:
        OSError: the disk refuses, for instance because it is read-only.
    """
    try:
        if not stat.S_ISDIR(path.lstat().st_mode):
            path.unlink()
            return
        with _opened(str(path)) as top:
            _empty(top, top, time.monotonic() + seconds)
        path.rmdir()
    except FileNotFoundError:  # it is not there, or another process removes it too
        return
    except _OutOfTimeError:
        logger.warning("%s holds more than is removed in %g s; the rest goes later", path, seconds)
    except OSError as error:
        error.filename = str(path)  # instead of a mere name, which may be any bytes
        raise


def _empty(folder: int, top: int, deadline: float) -> None:
    """Empty an open folder; folders further down than `top` are moved up to it first."""
    while names := _some(folder):
        for name, is_folder in names:
            if time.monotonic() > deadline:
                raise _OutOfTimeError
            with suppress(FileNotFoundError):
                if not is_folder:
                    os.unlink(name, dir_fd=folder)
                elif folder == top:
                    with _opened(name, folder) as inner:
                        _empty(inner, top, deadline)
                    os.rmdir(name, dir_fd=folder)
                else:
                    with _opened(name, folder):  # only a folder that we may write to can be moved
                        new = f".{uuid.uuid4().hex}"
                        os.rename(name, new, src_dir_fd=folder, dst_dir_fd=top)


def _some(folder: int) -> list[tuple[str, bool]]:
    with os.scandir(folder) as entries:
        some = islice(entries, PIECE)
        return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in some]


@contextmanager
def _opened(name: str, parent: int | None = None) -> Iterator[int]:
    """Open a folder in an open one, and let its owner write to it, whatever its mode was."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        folder = os.open(name, flags, dir_fd=parent)
    except PermissionError:
        os.chmod(name, stat.S_IRWXU, dir_fd=parent)
        folder = os.open(name, flags, dir_fd=parent)
    try:
        os.fchmod(folder, stat.S_IRWXU)
        yield folder
    finally:
        os.close(folder)
