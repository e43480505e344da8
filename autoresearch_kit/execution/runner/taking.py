"""Take the model out of the notebook's reach at the moment in which it is handed over.

A thread or a child that still runs may go on training and writing, but that changes nothing.
"""

import os
from contextlib import suppress
from pathlib import Path

from autoresearch_kit.errors import KitError
from autoresearch_kit.execution.handover import MODEL_FILE, WORK_FOLDER, Failure
from autoresearch_kit.execution.runner.bounds import BLOCK_BYTES, allowed_bytes
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.files.untrusted import plain_file
from autoresearch_kit.records import Reason, RunSpec

PIECE_BYTES = 2**24


def taken_model(folder: Path) -> Path:
    """Return the file that the model of the run in `folder` is taken to."""
    return folder / MODEL_FILE


def take_model(spec: RunSpec) -> Failure | None:
    """Move the model out of the work folder; return what is wrong with it, None if nothing is.

    It is copied, since a file that was only renamed can still be written by whoever has it open. It
    may be as large as the run's memory, and as its bytes on the disk and half of what is free
    there: a sparse file can claim to be larger than any disk, and its copy has no holes.
    """
    source = spec.folder / WORK_FOLDER / MODEL_FILE
    try:
        with plain_file(source) as file:
            status = os.fstat(file.fileno())
            room = allowed_bytes(spec.folder, spec.memory_mb) + status.st_blocks * BLOCK_BYTES
            limit = int(min(spec.memory_mb * MEGABYTE, room))
            if status.st_size > limit:
                size_mb, limit_mb = status.st_size / MEGABYTE, limit / MEGABYTE
                detail = f"{MODEL_FILE} has {size_mb:,.0f} MB, {limit_mb:,.0f} allowed"
                return Failure(Reason.BAD_SUBMISSION, detail)
            with taken_model(spec.folder).open("wb") as copy:
                while limit > 0 and (piece := file.read(min(PIECE_BYTES, limit))):
                    copy.write(piece)
                    limit -= len(piece)
    except FileNotFoundError:
        return Failure(Reason.BAD_SUBMISSION, f"no {MODEL_FILE} came with it")
    except (OSError, KitError) as error:
        return Failure(Reason.BAD_SUBMISSION, f"{MODEL_FILE} can't be read: {error}")
    with suppress(OSError):
        source.unlink()
    return None
