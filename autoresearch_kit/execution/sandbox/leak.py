"""Measure how much scored text stands verbatim in files that a run can read.

`python -m autoresearch_kit.execution.sandbox.leak DATASET KEY` reads, from inside a sandbox, all
that the sandbox shows, so that no file can be forgotten. It is kit code, and the only sandboxed
process that is given the scored text.
"""

import bz2
import gzip
import lzma
import math
import os
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from io import BufferedIOBase
from pathlib import Path
from typing import IO

import numpy as np

from autoresearch_kit.errors import InputError, KitError
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.execution.sandbox.verbatim import RUN, Places, Wanted
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.records import Leak, LeakPlace, SandboxLevel, Sight, codec
from autoresearch_kit.tasks.lm.dataset import Dataset, open_dataset
from autoresearch_kit.tasks.lm.packing import TOKENS_FILE, spread
from autoresearch_kit.tasks.lm.splits import Split

MODULE = "autoresearch_kit.execution.sandbox.leak"

SECONDS = 30.0
"""For reading what is shown; a machine that is not busy needs some five."""

VERSION = 1
"""Version of the measurement: an earlier version's result is measured again."""

MOST_SCORED = 2_000_000
"""Bytes of val, and of audit, that are looked for: rows spread over a longer shard."""

MOST_TRAINED = 32_000_000
"""Bytes of the training text, which does not count where it has the same shingles."""

PIECE = 2**22
"""Bytes read at a time. Small files are searched together."""

INFLATED = 50_000_000
"""Bytes that are read of one packed file at most."""

PLACES = 3
"""Folders that are named: those with the largest copies."""

NOT_FILES = ("/proc", "/sys", "/dev")
"""Folders whose files the kernel makes up."""

LIBRARIES = (".so", ".a", ".o")
"""Parts of paths of files that are read last: they are large and contain the least text."""

FEW, ROWS = 64, 10_000
"""Rows by which the usual length is estimated, and rows that are decoded at a time."""

NOTHING: Places = np.zeros(0, np.int64)

GAP = bytes(RUN)
"""Put between two files that are searched together."""

PACKED: Mapping[bytes, Callable[[str], BufferedIOBase]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}
"""Readers of packed files, by their first bytes."""

ZIP = b"PK\x03\x04"

MARK = 6
"""Bytes read of a file's beginning to tell how it is packed."""

FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK

NOT_PACKED = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    RuntimeError,
    NotImplementedError,
    ValueError,
)
"""Errors that readers raise for files that are damaged, encrypted or not packed at all."""


@dataclass(frozen=True)
class File:
    """A file to read: its size in bytes, its disk and inode, and its times (modified, changed)."""

    path: str
    size: int
    place: tuple[int, int]
    times: tuple[int, int]


def scored_text(dataset: Dataset) -> bytes:
    """Return the text of val and audit: rows spread over a longer shard."""
    return b"".join(
        text for split in (Split.VAL, Split.AUDIT) for text in _texts(dataset, split, MOST_SCORED)
    )


def _texts(dataset: Dataset, split: Split, most: int) -> Iterator[bytes]:
    """Yield a shard's text, or some `most` bytes from all over a longer one."""
    lengths, rows, tokenizer = dataset.token_bytes, dataset.shard(split), dataset.tokenizer
    usual = max(1, int(lengths[rows[:FEW]].sum(dtype=np.int64)) // len(rows[:FEW]))
    chosen = spread(len(rows), min(len(rows), max(1, most // usual)))
    for start in range(0, len(chosen), ROWS):
        tokens = rows[chosen[start : start + ROWS]].ravel()
        yield tokenizer.encoding.decode_bytes(tokens[tokens != tokenizer.bos].tolist())


def files(root: str, without: Iterable[str]) -> list[File]:
    """Return the plain files below a folder, each once, first those that are most likely text."""
    found: dict[tuple[int, int], File] = {}
    waiting, skipped = [root], {*without}
    while waiting:
        try:
            with os.scandir(waiting.pop()) as listed:
                entries = list(listed)
        except OSError:  # not readable here, so not readable for a run
            continue
        for entry in entries:
            if entry.path in skipped:
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            elif entry.is_file(follow_symlinks=False) and (file := _file(entry)):
                found.setdefault(file.place, file)
    return sorted(found.values(), key=_order)


def _file(entry: "os.DirEntry[str]") -> File | None:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:  # gone
        return None
    if status.st_size < RUN:
        return None
    place, times = (status.st_dev, status.st_ino), (status.st_mtime_ns, status.st_ctime_ns)
    return File(entry.path, status.st_size, place, times)


def _order(file: File) -> tuple[bool, int]:
    return any(mark in file.path for mark in LIBRARIES), file.size


def pieces(file: File) -> Iterator[bytes]:
    """Yield a file's bytes in pieces that overlap by one byte less than a shingle.

    A packed file's content is yielded too, as far as it can be unpacked.
    """
    with os.fdopen(os.open(file.path, FLAGS), "rb") as opened:
        head = opened.read(MARK)
        opened.seek(0)
        yield from _overlapping(opened)
    for mark, unpack in PACKED.items():
        if head.startswith(mark):
            with suppress(*NOT_PACKED), unpack(file.path) as inner:
                yield from _overlapping(inner, INFLATED)
    if head.startswith(ZIP):
        with suppress(*NOT_PACKED):
            yield from _members(file.path)


def _members(path: str) -> Iterator[bytes]:
    left = INFLATED
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if left <= 0:
                return
            with archive.open(member) as inner:
                yield from _overlapping(inner, left)
            left -= member.file_size


def _overlapping(opened: BufferedIOBase | IO[bytes], most: float = math.inf) -> Iterator[bytes]:
    rest, taken = b"", 0
    while taken < most and (data := opened.read(PIECE)):
        taken += len(data)
        yield rest + data
        rest = data[-(RUN - 1) :]


class Search:
    """A search for scored text in many files; `shingles` are those found so far, by file."""

    def __init__(self, wanted: Wanted) -> None:
        self.shingles: defaultdict[str, list[Places]] = defaultdict(list)
        self._wanted = wanted
        self._waiting: list[tuple[str, bytes]] = []
        self._size = 0

    def add(self, path: str, text: bytes) -> None:
        """Search a piece of a file, now or together with the next ones."""
        self._waiting.append((path, text))
        self._size += len(text) + len(GAP)
        if self._size >= PIECE:
            self.flush()

    def flush(self) -> None:
        """Search the pieces that wait."""
        starts = np.cumsum([0, *(len(text) + len(GAP) for _, text in self._waiting)])
        copies = self._wanted.copied(GAP.join(text for _, text in self._waiting))
        owners = np.searchsorted(starts, copies, side="right") - 1
        for owner in np.unique(owners):
            path, text = self._waiting[owner]
            places = copies[owners == owner] - starts[owner]
            self.shingles[path].append(self._wanted.shingles(text, places))
        self._waiting, self._size = [], 0


def measure(dataset: Dataset, shown: Sequence[File]) -> Leak:
    """Measure how much of val's and audit's text stands in these files."""
    begun = time.monotonic()
    wanted = Wanted(scored_text(dataset), _texts(dataset, Split.TRAIN, MOST_TRAINED))
    search, read = Search(wanted), 0
    for file in shown:
        if time.monotonic() - begun > SECONDS:
            break
        with suppress(OSError):  # not readable here, so not readable for a run
            for piece in pieces(file):
                search.add(file.path, piece)
        read += file.size
    search.flush()
    by_folder = _by_folder(search)
    most = sorted(by_folder, key=lambda folder: -len(by_folder[folder]))[:PLACES]
    return Leak(
        share=wanted.covered(np.concatenate([NOTHING, *by_folder.values()])),
        places=tuple(LeakPlace(folder, wanted.covered(by_folder[folder])) for folder in most),
        read_mb=round(read / MEGABYTE, 1),
        unread_mb=round((sum(file.size for file in shown) - read) / MEGABYTE, 1),
        seconds=round(time.monotonic() - begun, 1),
    )


def _by_folder(search: Search) -> dict[str, Places]:
    grouped: defaultdict[str, list[Places]] = defaultdict(list)
    for path, shingles in search.shingles.items():
        grouped[str(Path(path).parent)] += shingles
    by_folder = {folder: np.unique(np.concatenate(parts)) for folder, parts in grouped.items()}
    return {folder: shingles for folder, shingles in by_folder.items() if len(shingles)}


@dataclass(frozen=True)
class Known:
    """A measurement and the digest of all that it depends on; no `leak` where `key` is known."""

    key: str
    leak: Leak | None = None


def _key(dataset: Dataset, shown: Iterable[File]) -> str:
    """Digest the data set and every file's path, size, inode and times."""
    paths = [dataset.folder / split.value / TOKENS_FILE for split in Split]
    tokens = [(path.stat().st_mtime_ns, path.stat().st_size) for path in paths]
    files = sorted((file.path, file.size, file.place, file.times) for file in shown)
    return sha256(repr((VERSION, dataset.info, tokens, files)).encode()).hexdigest()


def main(folder: Path, known: str) -> int:
    """Print the measurement as JSON; without it where its key is the one that is `known`."""
    dataset = open_dataset(folder)
    shown = files("/", {*NOT_FILES, str(folder)})
    key = _key(dataset, shown)
    result = Known(key) if key == known else Known(key, measure(dataset, shown))
    sys.stdout.write(codec.encode(result).decode())
    return 0


def find_leak(dataset: Path, sight: Sight) -> Leak:
    """Return how much of a data set's scored text runs with this sight can read.

    It is measured again only when a shown file or the data set has changed.

    Raises:
        KitError: the process that measures it failed.
    """
    kept = dataset.with_name(f".{dataset.name}.leak")
    before = _kept(kept)
    kit = Path(__file__).parents[3]
    with tempfile.TemporaryDirectory(prefix="autoresearch-leak-") as name:
        home = Path(name)
        command = bubblewrap.command(
            SandboxLevel.BUBBLEWRAP,
            [sys.executable, "-P", "-m", MODULE, str(dataset), before.key],
            read_only=[kit / "autoresearch_kit", dataset],
            writable=[home],
            sight=sight,
            env=bubblewrap.environment(home=home, kit=kit, run_id=home.name),
        )
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise KitError(f"what runs can read could not be searched for scored text: {said}")
    now = codec.decode(Known, done.stdout)
    if now.leak is None:
        assert before.leak is not None
        return before.leak
    with suppress(OSError):  # a result that can't be kept is measured each time
        write_atomic(kept, codec.encode(now))
    return now.leak


def _kept(path: Path) -> Known:
    try:
        known = codec.decode(Known, path.read_bytes())
    except (OSError, InputError):
        return Known("")
    return known if known.leak else Known("")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
