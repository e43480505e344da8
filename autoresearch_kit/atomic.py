"""Files that are either there in whole or not at all."""

import os
import shutil
from pathlib import Path


def write_atomic(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write `data` to `path`, so that no reader, and no kill -9, ever sees half of it.

    `mode` are the permissions, less what the umask takes.

    Raises:
        OSError: the disk is full or the folder can't be written; the old content stays.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def copy_atomic(source: Path, path: Path) -> None:
    """Copy the file `source` to `path`; what was there stays until all of it has arrived.

    What a killed copy left is written over by the next.

    Raises:
        OSError: it can't be read, or the other disk is full or gone.
    """
    part = path.with_name(f".{path.name}.part")
    shutil.copyfile(source, part)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)
