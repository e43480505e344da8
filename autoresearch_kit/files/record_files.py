"""Files that hold one record each: read them, and set damaged ones aside."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from autoresearch_kit.errors import InputError
from autoresearch_kit.records import Measured, Probe, Proposal, Request, State, codec

logger = logging.getLogger(__name__)

T = TypeVar("T")

FORGETTABLE: Mapping[str, tuple[type, str]] = {
    "state.json": (State, "it is written anew"),
    "pending/*.json": (Proposal, "another proposal is made in its place"),
    "prepared/*.json": (Proposal, "another proposal is made in its place"),
    "measured/*.json": (tuple[Measured, ...], "its runs are run again"),
    "probes.json": (tuple[Probe, ...], "the seconds of its probes are not counted"),
    "request.json": (Request, "what was asked is not known; ask again"),
    "guidance.json": (str, "what was said is not known; say it again: autoresearch guide TAG TEXT"),
}
"""Files that a campaign can go on without: their content, and what their loss means."""

DESTINATIONS = "destinations.json"  # where copies and notices go

NEEDED = ("settings.json", "research.json", DESTINATIONS, "bounds.json")
"""Files that change what a campaign does."""


def read(path: Path, kind: type[T]) -> T | None:
    """Return the record in a file; None where there is no file.

    Raises:
        InputError: it is damaged; the message names it, and the way out where it is needed.
    """
    try:
        return codec.decode(kind, path.read_bytes())
    except FileNotFoundError:
        return None
    except InputError as error:
        way_out = f"; mend it, or remove it: rm {path}" if path.name in NEEDED else ""
        raise InputError(f"{path} is damaged ({error}){way_out}") from error


def recall(path: Path, kind: type[T]) -> T | None:
    """Return the record in a file; None also if it is damaged, which others report."""
    with suppress(InputError):
        return read(path, kind)
    return None


def damaged(folder: Path) -> list[str]:
    """Return why files of `FORGETTABLE` can't be read, a line for each such file."""
    return [str(error) for _, _, error in _damaged(folder)]


def set_damaged_aside(folder: Path) -> None:
    """Move unreadable files of `FORGETTABLE` out of the way; log a line for each."""
    for path, loss, error in _damaged(folder):
        path.replace(path.with_suffix(".damaged"))
        logger.warning("%s; it is %s.damaged now, and %s", error, path.stem, loss)


def _damaged(folder: Path) -> Iterator[tuple[Path, str, InputError]]:
    """Yield the files of `FORGETTABLE` that can't be read, what that costs, and why."""
    for pattern, (kind, loss) in FORGETTABLE.items():
        for path in sorted(folder.glob(pattern)):
            try:
                read(path, kind)
            except InputError as error:
                yield path, loss, error
