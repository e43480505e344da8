"""Files of a data set on the Hugging Face hub: whole and checked, or not there.

What has arrived of a file stays when the line breaks, the disk is full or the process is killed,
and the next attempt goes on from there. huggingface_hub's own download begins anew with each
process and compares no checksum, so that only its addresses, session and errors are used.
"""

import hashlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

from huggingface_hub import get_hf_file_metadata, get_session, hf_hub_url, hf_raise_for_status
from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import build_hf_headers
from tqdm import tqdm

from autoresearch_kit.errors import CorpusError
from autoresearch_kit.tasks.lm.retry import AGAIN, Patience, backoff, retry_after
from autoresearch_kit.tasks.lm.splits import Advance

ENDPOINT = "https://huggingface.co"
PATIENCE = Patience(tries=6, first=2.0, longest=60.0, most=300.0, timeout=30.0)
"""Six tries in a row without a new byte; the hub counts requests over five minutes."""

WAYS_OUT = (
    "repeat this when you are online, and it goes on where it was; or name a mirror of the hub in "
    "HF_ENDPOINT; or take a corpus that needs no network: stdlib, or a file or folder of yours"
)
SHA256 = re.compile("[0-9a-f]{64}")

_T = TypeVar("_T")


class _LaterError(CorpusError):
    """It failed, and may not the next time; the hub asks to wait so many seconds."""

    def __init__(self, said: str, seconds: float = 0.0) -> None:
        super().__init__(f"{said}; {WAYS_OUT}")
        self.said = said
        self.seconds = seconds


@dataclass(frozen=True)
class HubFile:
    """A file as the hub has it now: `size` in bytes, `sha256` in hex."""

    repository: str
    name: str
    url: str
    size: int
    sha256: str


def endpoint() -> str:
    """Where the hub is: $HF_ENDPOINT, else huggingface.co."""
    return (os.environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")


def look(repository: str, name: str, patience: Patience = PATIENCE) -> HubFile:
    """Ask the hub about a file of a data set.

    Raises:
        CorpusError: the hub can't be reached, has no such file, or tells no checksum of it.
    """
    return _patiently(lambda: _look(repository, name, patience.timeout), patience)


def fetch(file: HubFile, path: Path, advance: Advance, patience: Patience = PATIENCE) -> None:
    """Bring a file to `path`; `advance` is told its bytes, and less than 0 of what was damaged.

    Raises:
        CorpusError: the hub can't be reached, refuses, or sends something else.
        OSError: the disk is full; what has arrived stays.
    """
    part = path.with_name(f".{path.name}.{file.sha256[:12]}.part")
    for other in path.parent.glob(f".{path.name}.*.part"):
        if other != part:  # of another version of the file
            other.unlink()
    advance(_size(part))

    def attempt() -> None:
        _receive(file, part, advance, patience.timeout)
        _check(file, part, advance)

    _patiently(attempt, patience, lambda: _size(part))
    part.replace(path)


def _patiently(
    attempt: Callable[[], _T], patience: Patience, arrived: Callable[[], int] = lambda: 0
) -> _T:
    """What `attempt` returns, tried until it failed so often without that more has arrived."""
    failures, most = 0, arrived()
    while True:
        try:
            return attempt()
        except _LaterError as error:
            failures, most = 0 if arrived() > most else failures, max(arrived(), most)
            seconds = max(error.seconds, backoff(failures, patience))
            failures += 1
            if failures >= patience.tries or error.seconds > patience.most:
                raise
            tqdm.write(f"{error.said}; again in {seconds:.0f} s", sys.stderr)
            time.sleep(seconds)


def _look(repository: str, name: str, timeout: float) -> HubFile:
    url = hf_hub_url(repository, name, repo_type="dataset", endpoint=endpoint())
    with _in_words(repository, lost=_offline):
        found = get_hf_file_metadata(url, timeout=timeout, headers=build_hf_headers())
    if found.size is None or not SHA256.fullmatch(found.etag or ""):
        raise CorpusError(
            f"{endpoint()} tells no size and SHA-256 of {repository}/{name}: it is no hub, or "
            f"something in between answers in its place; {WAYS_OUT}"
        )
    return HubFile(repository, name, url, found.size, str(found.etag))


def _receive(file: HubFile, part: Path, advance: Advance, timeout: float) -> None:
    """What is missing of the file, at its end."""
    done = _size(part)
    if done >= file.size:
        return
    headers = {**build_hf_headers(), "Accept-Encoding": "identity", "Range": f"bytes={done}-"}
    request = get_session().stream("GET", file.url, headers=headers, timeout=timeout)
    with _in_words(file.repository), part.open("ab") as out, request as response:
        hf_raise_for_status(response)
        if done and response.status_code != HTTPStatus.PARTIAL_CONTENT:
            out.truncate(0)  # all of it comes again
            advance(-done)
        for chunk in response.iter_bytes():
            out.write(chunk)
            advance(len(chunk))
        out.flush()
        os.fsync(out.fileno())


def _check(file: HubFile, part: Path, advance: Advance) -> None:
    size = _size(part)
    if size < file.size:
        raise _LaterError(f"{file.name} broke off after {size:,} of {file.size:,} bytes")
    with part.open("rb") as whole:
        found = hashlib.file_digest(whole, "sha256").hexdigest()
    if found != file.sha256:
        part.unlink()
        advance(-size)
        raise _LaterError(
            f"{file.repository}/{file.name} arrives damaged from {endpoint()}: its SHA-256 is "
            f"{found}, not {file.sha256}"
        )


@contextmanager
def _in_words(repository: str, lost: Callable[[str], CorpusError] = _LaterError) -> Iterator[None]:
    """The hub's refusals as errors of ours; `lost` makes that of a hub that can't be reached."""
    try:
        yield
    except HfHubHTTPError as error:
        status = error.response.status_code
        why = error.server_message or error.response.reason_phrase
        said = f"{endpoint()} answers {status} for {repository} ({_first_line(why)})"
        if status not in AGAIN:
            raise CorpusError(f"{said}; is HF_ENDPOINT a hub, and HF_TOKEN good?") from error
        seconds = retry_after(error.response.headers, datetime.now(UTC)) or 0.0
        raise _LaterError(said, seconds) from error
    except (HTTPError, OfflineModeIsEnabled) as error:
        said = f"can't reach {endpoint()} for {repository} ({_first_line(str(error))})"
        raise lost(said) from error


def _offline(said: str) -> CorpusError:
    """At the first question, it is not worth waiting."""
    return CorpusError(f"{said}; {WAYS_OUT}")


def _first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
