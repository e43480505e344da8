"""Files of a data set on the Hugging Face hub: whole and checked, or not there.

`hf_hub_download` drops what has arrived when its process ends, and checks no digest. Therefore its
inner `http_get` is called here, which goes on within a file, and retries a bounded number of times.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Never

from huggingface_hub import HfFileMetadata, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers
from tqdm import tqdm

from autoresearch_kit.errors import CorpusError

ENDPOINT = "https://huggingface.co"
TIMEOUT = 30.0  # seconds
BUSY = frozenset({408, 429, 500, 502, 503, 504})
"""HTTP statuses after which the hub is asked again."""

WAYS_OUT = (
    "repeat this when you are online, and it goes on where it was; or name a mirror of the hub in "
    "HF_ENDPOINT; or take a corpus that needs no network: stdlib, or a file or folder of yours"
)
SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class HubFile:
    """A file as the hub has it now: `size` in bytes, `sha256` in hex."""

    repository: str
    name: str
    url: str
    size: int
    sha256: str


def endpoint() -> str:
    """Return the address of the hub: $HF_ENDPOINT, else huggingface.co."""
    return (os.environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")


def look(repository: str, name: str) -> HubFile:
    """Ask the hub about a file of a data set.

    Raises:
        CorpusError: the hub can't be reached, has no such file, or tells no checksum of it.
    """
    url = hf_hub_url(repository, name, repo_type="dataset", endpoint=endpoint())
    with _as_corpus_errors(repository):
        metadata = _metadata(url)
    if metadata.size is None or not SHA256.fullmatch(metadata.etag or ""):
        raise CorpusError(
            f"{endpoint()} tells no size and SHA-256 of {repository}/{name}: it is no hub, or "
            f"something in between answers in its place; {WAYS_OUT}"
        )
    return HubFile(repository, name, url, metadata.size, str(metadata.etag))


def fetch(file: HubFile, path: Path, bar: type["tqdm[Never]"] = tqdm) -> None:
    """Download a file to `path`, going on with what an earlier call left; `bar` shows how far.

    Raises:
        CorpusError: the hub can't be reached, refuses, or sends something else.
        OSError: the disk is full; what has arrived stays.
    """
    part = path.with_name(f".{path.name}.{file.sha256[:12]}.part")
    for other in path.parent.glob(f".{path.name}.*.part"):
        if other != part:  # of another version of the file
            other.unlink()
    with _as_corpus_errors(file.repository), part.open("ab") as out:
        http_get(
            file.url,
            out,
            resume_size=out.tell(),
            headers=build_hf_headers(),
            expected_size=file.size,
            displayed_filename=file.name,
            tqdm_class=bar,
        )
        out.flush()
        os.fsync(out.fileno())
    with part.open("rb") as whole:
        digest = hashlib.file_digest(whole, "sha256").hexdigest()
    if digest != file.sha256:
        part.unlink()
        raise CorpusError(
            f"{file.repository}/{file.name} arrived damaged from {endpoint()}: its SHA-256 is "
            f"{digest}, not {file.sha256}; {WAYS_OUT}"
        )
    part.replace(path)


class NoBar(tqdm):  # type: ignore[type-arg]
    """A progress bar that draws nothing."""

    def __init__(self, **_given: object) -> None:
        super().__init__(disable=True)


def _metadata(url: str) -> HfFileMetadata:
    """Ask again where the hub is busy, but not where it can't be reached at all."""
    try:
        return get_hf_file_metadata(url, timeout=TIMEOUT)
    except HfHubHTTPError as error:
        if error.response.status_code not in BUSY:
            raise
        return get_hf_file_metadata(url, timeout=TIMEOUT, retry_on_errors=True)


@contextmanager
def _as_corpus_errors(repository: str) -> Iterator[None]:
    """Raise what goes wrong between here and the hub as a `CorpusError` of one line."""
    try:
        yield
    except HfHubHTTPError as error:
        status = error.response.status_code
        why = _first_line(error.server_message or error.response.reason_phrase)
        ways = WAYS_OUT if status in BUSY else "is HF_ENDPOINT a hub, and HF_TOKEN good?"
        said = f"{endpoint()} answers {status} for {repository} ({why}); {ways}"
        raise CorpusError(said) from error
    except (HTTPError, OfflineModeIsEnabled) as error:
        said = f"can't reach {endpoint()} for {repository} ({_first_line(str(error))})"
        raise CorpusError(f"{said}; {WAYS_OUT}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        why = _first_line(str(error))  # http_get received another number of bytes
        raise CorpusError(f"{endpoint()} sent {repository} wrongly ({why}); {WAYS_OUT}") from error


def _first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "")
