"""Take what a notebook hands over, and read what it claims. Unreviewed code wrote all of it."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from autoresearch_kit.errors import KitError
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.handover import Failure, Submitted
from autoresearch_kit.execution.live import last_point
from autoresearch_kit.execution.runner.limits import BLOCK_BYTES, allowed_bytes
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.files.untrusted import Entry, entries, plain_file, read_untrusted
from autoresearch_kit.records import Reason, RunSpec, codec
from autoresearch_kit.tasks.measured import layout

T = TypeVar("T")

PIECE_BYTES = 2**24

CLAIM_BYTES = 64 * 1024  # bytes of a notebook's claim about itself that are read
MAX_OUTPUT = 1_000  # files and folders that a notebook may hand over, beside what it pickles

OWN_REASONS = (Reason.DIVERGED, Reason.UNPICKLABLE, Reason.BAD_SUBMISSION)
"""Failures that a notebook may report of itself."""


def taken_model(folder: Path) -> Path:
    """Return the file that the model of the run in `folder` is taken to."""
    return folder / handover.MODEL_FILE


def taken_output(folder: Path) -> Path:
    """Return the folder that the files of the run in `folder` are taken to."""
    return folder / handover.OUTPUT_FOLDER


def make_targets(spec: RunSpec) -> None:
    """Make empty what a submission will be taken to: a sandbox shows only what is there."""
    taken_model(spec.folder).touch()
    if layout.is_task(spec.dataset):
        taken_output(spec.folder).mkdir(exist_ok=True)


def take_submission(spec: RunSpec) -> Failure | None:
    """Move what was handed over out of the work folder; return what is wrong with it, if anything.

    For a task that is a folder that may be files, a pickle or both. Without a pickle, the file that
    one would be taken to is empty. For a language model it is a pickle.
    """
    if not layout.is_task(spec.dataset):
        return take_model(spec)
    make_targets(spec)
    if failure := take_output(spec):
        return failure
    if os.path.lexists(spec.folder / handover.WORK_FOLDER / handover.MODEL_FILE):
        return take_model(spec)
    if any(path.is_file() for path in taken_output(spec.folder).rglob("*")):
        return None
    detail = f"neither {handover.MODEL_FILE} nor a file in {handover.OUTPUT_FOLDER}/ came with it"
    return Failure(Reason.BAD_SUBMISSION, detail)


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
            _copy(file, taken_model(spec.folder), limit)
    except FileNotFoundError:
        return Failure(Reason.BAD_SUBMISSION, f"no {source.name} came with it")
    except (OSError, KitError) as error:
        return Failure(Reason.BAD_SUBMISSION, f"{source.name} can't be read: {error}")
    with suppress(OSError):
        source.unlink()
    return None


def take_output(spec: RunSpec) -> Failure | None:
    """Copy the files that were handed over; return what is wrong with them, None if nothing is.

    Only plain files and folders may be there, `MAX_OUTPUT` at most, which together may be as large
    as the run's memory and half of the free disk. As for the model, it does not matter what goes on
    writing there.
    """
    source, target = spec.folder / handover.WORK_FOLDER / handover.OUTPUT_FOLDER, ""
    if not os.path.lexists(source):
        return None
    room = int(allowed_bytes(spec.folder, spec.memory_mb))
    try:
        for count, entry in enumerate(entries(source), start=1):
            target = entry.path
            if count > MAX_OUTPUT:
                raise KitError(f"more than {MAX_OUTPUT:,} files and folders")
            room -= _take(entry, taken_output(spec.folder) / entry.path, room)
    except (OSError, KitError) as error:
        where = f"{handover.OUTPUT_FOLDER}/{target}"
        return Failure(Reason.BAD_SUBMISSION, f"{where} can't be taken: {error}")
    return None


def _take(entry: Entry, target: Path, limit: int) -> int:
    """Copy a file or make a folder; return the bytes that it took."""
    if stat.S_ISDIR(entry.status.st_mode):
        target.mkdir()
        return 0
    with plain_file(entry.name, entry.folder) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            size_mb, limit_mb = size / MEGABYTE, limit / MEGABYTE
            raise KitError(f"it has {size_mb:,.1f} MB, where {limit_mb:,.1f} are left")
        return _copy(file, target, limit)


def _copy(file: BinaryIO, target: Path, limit: int) -> int:
    """Copy at most `limit` bytes; return how many there were.

    Whoever has a file open can still write to it, so one that is only renamed would change.
    """
    copied = 0
    with target.open("wb") as copy:
        while copied < limit and (piece := file.read(min(PIECE_BYTES, limit - copied))):
            copied += copy.write(piece)
    return copied


def read_claim(work: Path) -> Submitted | None:
    """Return the notebook's claim about its training; None if it can't be read or can't be true."""
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
