"""Takes the model out of the notebook's reach at the moment in which it is handed over.

Whatever still runs then, a thread or a child, may go on training and writing: into nothing.
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
    """Where the model of the run in `folder` lies once it is taken."""
    return folder / MODEL_FILE


def take_model(spec: RunSpec) -> Failure | None:
    """Moves the model out of the work folder; what is wrong with it, None if nothing is.

    A copy, since a file that was only renamed can still be written by whoever has it open. No
    larger than the run's memory, and than its bytes on the disk and half of what is free there: a
    sparse file can say that it is larger than any disk, and its copy has no holes.
    """
    source = spec.folder / WORK_FOLDER / MODEL_FILE
    try:
        with plain_file(source) as file:
            status = os.fstat(file.fileno())
            size, room = status.st_size, allowed_bytes(spec.folder, spec.memory_mb)
            room += status.st_blocks * BLOCK_BYTES
            limit = int(min(spec.memory_mb * MEGABYTE, room))
            if size > limit:
                detail = (
                    f"{MODEL_FILE} has {size / MEGABYTE:,.0f} MB, {limit / MEGABYTE:,.0f} allowed"
                )
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
