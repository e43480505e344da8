"""Take what a notebook hands over, and read what it claims. Unreviewed code wrote all of it."""

import os
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from autoresearch_kit.errors import KitError
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.handover import Failure, Submitted
from autoresearch_kit.execution.live import last_point
from autoresearch_kit.execution.runner.limits import BLOCK_BYTES, allowed_bytes
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.files.untrusted import plain_file, read_untrusted
from autoresearch_kit.records import Reason, RunSpec, codec

T = TypeVar("T")

PIECE_BYTES = 2**24

CLAIM_BYTES = 64 * 1024
"""Bytes of a notebook's claim about itself that are read."""

OWN_REASONS = (Reason.DIVERGED, Reason.UNPICKLABLE)
"""Failures that a notebook may report of itself."""


def taken_model(folder: Path) -> Path:
    """Return the file that the model of the run in `folder` is taken to."""
    return folder / handover.MODEL_FILE


def take_model(spec: RunSpec) -> Failure | None:
    """Move the model out of the work folder; return what is wrong with it, None if nothing is.

    A thread or a child of the notebook may go on training and writing: that changes nothing any
    more. The model may be as large as the run's memory, and as its bytes on the disk and half of
    what is free there: a sparse file can claim to be larger than any disk.
    """
    source = spec.folder / handover.WORK_FOLDER / handover.MODEL_FILE
    try:
        with plain_file(source) as file:
            status = os.fstat(file.fileno())
            room = allowed_bytes(spec.folder, spec.memory_mb) + status.st_blocks * BLOCK_BYTES
            limit = int(min(spec.memory_mb * MEGABYTE, room))
            if status.st_size > limit:
                size_mb, limit_mb = status.st_size / MEGABYTE, limit / MEGABYTE
                detail = f"{source.name} has {size_mb:,.0f} MB, {limit_mb:,.0f} allowed"
                return Failure(Reason.BAD_SUBMISSION, detail)
            # copied, since whoever has it open can write to a file that is only renamed
            with taken_model(spec.folder).open("wb") as copy:
                while limit > 0 and (piece := file.read(min(PIECE_BYTES, limit))):
                    copy.write(piece)
                    limit -= len(piece)
    except FileNotFoundError:
        return Failure(Reason.BAD_SUBMISSION, f"no {source.name} came with it")
    except (OSError, KitError) as error:
        return Failure(Reason.BAD_SUBMISSION, f"{source.name} can't be read: {error}")
    with suppress(OSError):
        source.unlink()
    return None


def read_claim(work: Path) -> Submitted | None:
    """Return what the notebook says of its training; None if that can't be read or can't be."""
    claim = _decoded(Submitted, work / handover.SUBMISSION_FILE)
    return claim if claim and handover.countable(claim.steps, claim.tokens) else None


def reported(work: Path) -> Failure | None:
    """Return the failure that the notebook reports of itself, if it may report that."""
    failure = _decoded(Failure, work / handover.FAILURE_FILE)
    return failure if failure and failure.reason in OWN_REASONS else None


def last_counts(work: Path) -> tuple[int, int]:
    """Return the steps and tokens at the end of the loss curve; zeros if there is none."""
    last = last_point(work / handover.METRICS_FILE)
    return (last.step + 1, last.tokens) if last else (0, 0)


def _decoded(kind: type[T], path: Path) -> T | None:
    try:
        return codec.decode(kind, read_untrusted(path, CLAIM_BYTES))
    except (OSError, KitError):
        return None
