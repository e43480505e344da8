"""The corpora on the Hugging Face hub, `climbmix` and `tinystories`, and their download.

A file is there whole and checked, or not at all. `hf_hub_download` drops what has arrived when its
process ends, and checks no digest. Therefore its inner `http_get` is called here, which goes on
within a file, and retries a bounded number of times.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Never

from huggingface_hub import HfFileMetadata, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers
from tqdm import tqdm

from autoresearch_kit.errors import CorpusError, InputError
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.records.text import one_line
from autoresearch_kit.tasks.lm.files import parquet_texts
from autoresearch_kit.tasks.lm.splits import Sizes, Split

ENDPOINT = "https://huggingface.co"
TIMEOUT = 30.0  # seconds
BUSY = frozenset({408, 429, 500, 502, 503, 504})  # HTTP statuses after which the hub is asked again

WAYS_OUT = (
    "repeat this when you are online, and it goes on where it was; or name a mirror of the hub in "
    "HF_ENDPOINT; or take a corpus that needs no network: stdlib, or a file or folder of yours"
)

DOWNLOADS = "downloads"  # the folder of the downloaded files, beside the data sets

SHARDS = 10
"""Files of climbmix that are trained on, as in karpathy/autoresearch: some 2.5 GB of text."""

LAST_SHARD = 6_542
CLIMBMIX_SIZES = Sizes(vocab_size=8_192, context=2_048, eval_rows=40 * 524_288 // 2_048)
"""The sizes in github.com/karpathy/autoresearch, prepare.py."""

STORIES = "tinystories_gpt4_clean.parquet"
HELD_OUT_STORIES = 10_000
STORIES_SIZES = Sizes(vocab_size=2_048, context=512)
"""Sizes for two cores. A story has some 150 words out of a few thousand, so that whole stories fit
the context. On stdlib, 2,048 tokens did as well as 1,024 (benchmarks/README.md) and make a text
shorter; in a larger embedding, few steps would touch most rows."""


@dataclass(frozen=True)
class Piece:
    """Rows of a file on the hub: from `start` up to `stop` (None: to the end)."""

    file: str
    start: int = 0
    stop: int | None = None


@dataclass(frozen=True)
class HubCorpus:
    """A corpus in .parquet files of a data set on the hub, kept in `home` once downloaded."""

    name: str
    repository: str
    sizes: Sizes
    pieces: Mapping[Split, Sequence[Piece]]
    home: Path

    @property
    def folder(self) -> Path:
        """Return the folder of the downloaded files; corpora of one data set share it."""
        return self.home / DOWNLOADS / self.repository.replace("/", "--")

    def documents(self, split: Split) -> Iterator[str]:
        """Yield the texts of a split, in the order of its pieces; `fetch` comes before.

        Raises:
            CorpusError: a file can't be read, or has no text column.
        """
        for piece in self.pieces[split]:
            yield from parquet_texts(self.folder / piece.file, piece.start, piece.stop)

    def hidden(self) -> tuple[Path, ...]:
        """Return the files that hold val or audit text."""
        held_out = chain(self.pieces[Split.VAL], self.pieces[Split.AUDIT])
        return tuple(sorted({(self.folder / piece.file).resolve() for piece in held_out}))

    def fetch(self, show: bool) -> None:
        """Download the files that are not here yet; `show` draws progress on stderr.

        Files that are here were checked when they came.

        Raises:
            CorpusError: the hub can't be reached, refuses or sends something else, or the disk has
                no room.
            OSError: the disk became full; what has arrived stays.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        names = dict.fromkeys(piece.file for piece in chain.from_iterable(self.pieces.values()))
        missing = [name for name in names if not (self.folder / name).exists()]
        files = [look(self.repository, name) for name in missing]
        arrived = sum(path.stat().st_size for path in self.folder.glob(".*.part"))
        needed = sum(file.size for file in files) - arrived
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise CorpusError(
                f"downloading {self.name} takes {needed / MEGABYTE:,.0f} MB, and "
                f"{free / MEGABYTE:,.0f} MB are free in {self.folder}: free some space, "
                "or set AUTORESEARCH_DATA to a folder on another disk"
            )
        for file in files:
            fetch(file, self.folder / file.name, tqdm if show else NoBar)


def climbmix(home: Path, shards: int = SHARDS) -> HubCorpus:
    """Return climbmix: 400 billion tokens of shuffled web text; `shards` files are trained on.

    The last file is val, as in karpathy/autoresearch, and the one before it audit.

    Raises:
        InputError: there are not so many files.
    """
    if not 1 <= shards < LAST_SHARD:
        raise InputError(f"--shards is {shards}: give 1 to {LAST_SHARD - 1:,}")
    pieces = {
        Split.TRAIN: [Piece(f"shard_{number:05d}.parquet") for number in range(shards)],
        Split.VAL: [Piece(f"shard_{LAST_SHARD:05d}.parquet")],
        Split.AUDIT: [Piece(f"shard_{LAST_SHARD - 1:05d}.parquet")],
    }
    name = "climbmix" if shards == SHARDS else f"climbmix-s{shards}"
    return HubCorpus(name, "karpathy/climbmix-400b-shuffle", CLIMBMIX_SIZES, pieces, home)


def tinystories(home: Path) -> HubCorpus:
    """Return tinystories: short stories in the words of small children, by GPT-4, shuffled.

    Its page on the hub suggests which rows to test on, to validate on, and to train on.
    """
    pieces = {
        Split.AUDIT: [Piece(STORIES, 0, HELD_OUT_STORIES)],
        Split.VAL: [Piece(STORIES, HELD_OUT_STORIES, 2 * HELD_OUT_STORIES)],
        Split.TRAIN: [Piece(STORIES, 2 * HELD_OUT_STORIES)],
    }
    return HubCorpus("tinystories", "karpathy/tinystories-gpt4-clean", STORIES_SIZES, pieces, home)


@dataclass(frozen=True)
class HubFile:
    """A file as the hub has it now: `size` in bytes, `sha256` in hex."""

    repository: str
    name: str
    url: str
    size: int
    sha256: str


class NoBar(tqdm):  # type: ignore[type-arg]
    """A progress bar that draws nothing."""

    def __init__(self, **_given: object) -> None:
        super().__init__(disable=True)


def look(repository: str, name: str) -> HubFile:
    """Ask the hub about a file of a data set.

    Raises:
        CorpusError: the hub can't be reached, has no such file, or tells no checksum of it.
    """
    url = hf_hub_url(repository, name, repo_type="dataset", endpoint=_endpoint())
    with _as_corpus_errors(repository):
        metadata = _metadata(url)
    if metadata.size is None or not re.fullmatch("[0-9a-f]{64}", metadata.etag or ""):
        raise CorpusError(
            f"{_endpoint()} tells no size and SHA-256 of {repository}/{name}: it is no hub, or "
            f"something in between answers in its place; {WAYS_OUT}"
        )
    return HubFile(repository, name, url, metadata.size, str(metadata.etag))


def fetch(file: HubFile, path: Path, bar: type["tqdm[Never]"]) -> None:
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
            f"{file.repository}/{file.name} arrived damaged from {_endpoint()}: its SHA-256 is "
            f"{digest}, not {file.sha256}; {WAYS_OUT}"
        )
    part.replace(path)


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")


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
        why = one_line(error.server_message or error.response.reason_phrase, 200)
        ways = WAYS_OUT if status in BUSY else "is HF_ENDPOINT a hub, and HF_TOKEN good?"
        said = f"{_endpoint()} answers {status} for {repository} ({why}); {ways}"
        raise CorpusError(said) from error
    except (HTTPError, OfflineModeIsEnabled) as error:
        said = f"can't reach {_endpoint()} for {repository} ({one_line(str(error), 200)})"
        raise CorpusError(f"{said}; {WAYS_OUT}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        why = one_line(str(error), 200)  # http_get received another number of bytes
        raise CorpusError(f"{_endpoint()} sent {repository} wrongly ({why}); {WAYS_OUT}") from error
