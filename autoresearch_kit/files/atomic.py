"""Write files so that they are there whole or not at all."""

import os
import shutil
import threading
from pathlib import Path


def write_atomic(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write `data` to `path` so that no reader ever sees half of it, even after a kill -9.

    `mode` is the permissions before the umask.

    Raises:
        OSError: the disk is full or the folder can't be written; the old content stays.
    """
    # threads may write the same file at once
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a failed write names only a descriptor
        raise
    finally:
        part.unlink(missing_ok=True)


def append_line(path: Path, line: bytes, mode: int = 0o666) -> None:
    """Append a line, given without its line break, also after a line that was cut short.

    Raises:
        OSError: the disk is full; what was written of the line has no line break.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, mode)
    try:
        size = os.fstat(file).st_size
        whole = size == 0 or os.pread(file, 1, size - 1) == b"\n"
        rest = (b"" if whole else b"\n") + line + b"\n"
        while rest:  # a disk that fills up takes a part of it without an error
            rest = rest[os.write(file, rest) :]
    finally:
        os.close(file)


def copy_atomic(source: Path, path: Path) -> None:
    """Copy the file `source` to `path`, whose old content stays until the copy is complete.

    The remains of a killed copy are overwritten by the next one.

    Raises:
        OSError: it can't be read, or the other disk is full or gone.
    """
    part = path.with_name(f".{path.name}.part")
    shutil.copyfile(source, part)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)
