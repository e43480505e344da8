"""Measure how much scored text stands verbatim in files that a run can read.

`python -m autoresearch_kit.execution.sandbox.leak DATASET KEY` reads, from inside a sandbox, all
that the sandbox shows, so that no file can be forgotten. It is kit code, and the only sandboxed
process that is given the scored text.

The scored text is known by its anchors, hashes of the 16 bytes at each position. A file is looked
at in every 25th position only. Where most of the anchors within some 200 bytes are of the scored
text and not of the training text, the 25 bytes from each of them on count as copied. Fewer are
chance: programs have many short strings in common.
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
import numpy.typing as npt

from autoresearch_kit.errors import InputError, KitError
from autoresearch_kit.execution.processes.lifeline import end_with_starter, starters_pipe
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.records import Leak, LeakPlace, SandboxLevel, Sight, codec
from autoresearch_kit.tasks.lm.dataset import Dataset, open_dataset
from autoresearch_kit.tasks.lm.packing import TOKENS_FILE, spread
from autoresearch_kit.tasks.lm.splits import Split

MODULE = "autoresearch_kit.execution.sandbox.leak"

SECONDS = 30.0
"""For reading what is shown; a machine that is not busy needs some five."""

VERSION = 2
"""Version of the measurement: an earlier version's result is measured again."""

MOST_LEAK = 0.001
"""The share of the scored bytes that runs may be able to read. A lookup table of so few gains less
than the noise."""

MOST_SCORED = 2_000_000
"""Bytes of val, and of audit, that are looked for: rows spread over a longer shard."""

MOST_TRAINED = 32_000_000
"""Bytes of the training text, whose anchors do not count."""

ANCHOR = 16
STRIDE = 25
NEIGHBOURS, ENOUGH = 8, 5
"""Neighbouring anchors of a file, and how many of them must be of the scored text: see above."""

SLOTS = 2**25
"""Entries of the table by which most hashes are rejected."""

FACTOR = np.uint64(0x9E3779B97F4A7C15)  # the golden ratio: Knuth, TAOCP 3, section 6.4
HALF = np.uint64(32)

PIECE = 2**22
"""Bytes read at a time. Small files are searched together."""

INFLATED = 50_000_000
"""Bytes that are read of one packed file at most."""

FOLDERS = 3
"""Folders that are named: those with the largest copies."""

NOT_FILES = ("/proc", "/sys", "/dev")
"""Folders whose files the kernel makes up."""

LIBRARIES = (".so", ".a", ".o")
"""Parts of paths of files that are read last: they are large and contain the least text."""

FEW, ROWS = 64, 10_000
"""Rows by which the usual length is estimated, and rows that are decoded at a time."""

PACKED: Mapping[bytes, Callable[[str], BufferedIOBase]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}
"""Readers of packed files, by their first bytes."""

ZIP = b"PK\x03\x04"

NOT_PACKED = (
    OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError,
    NotImplementedError, ValueError,
)  # fmt: skip
"""Errors that readers raise for files that are damaged, encrypted or not packed at all."""

Hashes = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]


def _hashes(text: bytes, stride: int = 1) -> Hashes:
    """Hash the 16 bytes at every `stride`-th position of a text."""
    count = (len(text) - ANCHOR) // stride + 1
    if count <= 0:
        return np.zeros(0, np.uint64)
    words = np.ndarray((count, 2), "<u8", text, strides=(stride, 8))
    mixed: Hashes = words[:, 0] * FACTOR
    mixed = ((mixed ^ (mixed >> HALF)) + words[:, 1]) * FACTOR
    mixed ^= mixed >> HALF
    return mixed


class ScoredText:
    """The anchors of a text that is looked for in others, without those of `common` texts."""

    def __init__(self, text: bytes, common: Iterable[bytes] = ()) -> None:
        hashes = _hashes(text.ljust(ANCHOR))  # a tiny corpus has one anchor as well
        ordered = np.sort(hashes)  # numpy.unique takes ten times as long
        self._anchors = ordered[np.r_[True, ordered[1:] != ordered[:-1]]]
        self._at = np.searchsorted(self._anchors, hashes)  # the anchor at each position
        self._counts = np.ones(len(self._anchors), np.bool_)
        self._size = len(text)
        self._fill_slots()
        for other in common:
            self._counts[self._find(_hashes(other))[1]] = False
        self._fill_slots()

    def copied(self, text: bytes) -> tuple[Indices, Indices]:
        """Return the positions in `text` that lie in copies, and the anchors there."""
        hits, anchors = self._find(_hashes(text, STRIDE))
        first = np.flatnonzero(hits[ENOUGH - 1 :] - hits[: 1 - ENOUGH] < NEIGHBOURS)
        dense = np.unique(first[:, None] + np.arange(ENOUGH))
        return hits[dense] * STRIDE, anchors[dense]

    def covered(self, anchors: Indices) -> float:
        """Return the share of the text's bytes that lie in the 25 bytes from such an anchor on."""
        present = np.zeros(len(self._anchors), np.bool_)
        present[anchors] = True
        begins = np.flatnonzero(present[self._at])
        bounds = np.zeros(self._size + STRIDE, np.int64)
        np.add.at(bounds, begins, 1)
        np.add.at(bounds, begins + STRIDE, -1)
        return float(np.count_nonzero(np.cumsum(bounds[: self._size]))) / max(1, self._size)

    def _find(self, hashes: Hashes) -> tuple[Indices, Indices]:
        """Return the positions in `hashes` of those that count, and their anchors' numbers."""
        hits = np.flatnonzero(self._slots[_slot(hashes)])
        hits = hits[self._slots[_slot(hashes[hits] >> HALF)]]  # leaves few for the slow search
        anchors = np.minimum(np.searchsorted(self._anchors, hashes[hits]), len(self._anchors) - 1)
        right = (self._anchors[anchors] == hashes[hits]) & self._counts[anchors]
        return hits[right], anchors[right]

    def _fill_slots(self) -> None:
        counted = self._anchors[self._counts]
        self._slots = np.zeros(SLOTS, np.bool_)
        self._slots[_slot(counted)] = True
        self._slots[_slot(counted >> HALF)] = True


def _slot(hashes: Hashes) -> npt.NDArray[np.intp]:
    return (hashes & np.uint64(SLOTS - 1)).astype(np.intp)


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


@dataclass(frozen=True)
class File:
    """A file to read: its size in bytes, its disk and inode, and its times (modified, changed)."""

    path: str
    size: int
    inode: tuple[int, int]
    times: tuple[int, int]


def files(root: str, without: Iterable[str]) -> list[File]:
    """Return the plain files below a folder, each once, first those that are most likely text."""
    known: dict[tuple[int, int], File] = {}
    waiting, skipped = [root], {*without}
    while waiting:
        entries: list[os.DirEntry[str]] = []
        with suppress(OSError), os.scandir(waiting.pop()) as listed:  # else no run can list it
            entries = [entry for entry in listed if entry.path not in skipped]
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                with suppress(OSError):  # it is gone
                    file = _file(entry)
                    known.setdefault(file.inode, file)
    return sorted(known.values(), key=lambda file: (_is_library(file.path), file.size))


def _file(entry: "os.DirEntry[str]") -> File:
    status = entry.stat(follow_symlinks=False)
    inode, times = (status.st_dev, status.st_ino), (status.st_mtime_ns, status.st_ctime_ns)
    return File(entry.path, status.st_size, inode, times)


def _is_library(path: str) -> bool:
    return any(mark in path for mark in LIBRARIES)


def pieces(path: str) -> Iterator[bytes]:
    """Yield a file's bytes in pieces that overlap by what it takes to see a copy at their border.

    A packed file's content is yielded too, as far as it can be unpacked.
    """
    # the file may have become a link or a pipe meanwhile
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    with os.fdopen(os.open(path, flags), "rb") as opened:
        head = opened.read(len(max(PACKED, key=len)))
        opened.seek(0)
        yield from _overlapping(opened)
    with suppress(*NOT_PACKED):
        for mark, unpack in PACKED.items():
            if head.startswith(mark):
                with unpack(path) as inner:
                    yield from _overlapping(inner, INFLATED)
        if head.startswith(ZIP):
            yield from _members(path)


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
        rest = data[-NEIGHBOURS * STRIDE :]


def search(scored: ScoredText, shown: Iterable[File]) -> dict[str, Indices]:
    """Return the anchors in copies of the scored text, by the folder whose files have them."""
    copies: defaultdict[str, list[Indices]] = defaultdict(list)

    def search_together(texts: list[tuple[str, bytes]]) -> None:
        gap = bytes(NEIGHBOURS * STRIDE)  # so that no copy seems to go on in the next file
        ends = np.cumsum([len(text) + len(gap) for _, text in texts])
        positions, anchors = scored.copied(gap.join(text for _, text in texts))
        owners = np.searchsorted(ends, positions, side="right")
        for owner in np.unique(owners):
            copies[str(Path(texts[owner][0]).parent)].append(anchors[owners == owner])

    waiting: list[tuple[str, bytes]] = []
    size = 0
    for file in shown:
        with suppress(OSError):  # no run can read it either
            for piece in pieces(file.path):
                waiting.append((file.path, piece))
                size += len(piece)
                if size >= PIECE:
                    search_together(waiting)
                    waiting, size = [], 0
    search_together(waiting)
    return {folder: np.unique(np.concatenate(parts)) for folder, parts in copies.items()}


def measure(dataset: Dataset, shown: Sequence[File]) -> Leak:
    """Measure how much of val's and audit's text stands in these files."""
    begun, read_bytes = time.monotonic(), 0
    scored = ScoredText(scored_text(dataset), _texts(dataset, Split.TRAIN, MOST_TRAINED))

    def in_time() -> Iterator[File]:
        nonlocal read_bytes
        for file in shown:
            if time.monotonic() - begun > SECONDS:
                return
            yield file
            read_bytes += file.size

    by_folder = search(scored, in_time())
    most = sorted(by_folder, key=lambda folder: -len(by_folder[folder]))[:FOLDERS]
    return Leak(
        share=scored.covered(np.concatenate([np.zeros(0, np.int64), *by_folder.values()])),
        places=tuple(LeakPlace(folder, scored.covered(by_folder[folder])) for folder in most),
        read_mb=round(read_bytes / MEGABYTE, 1),
        unread_mb=round((sum(file.size for file in shown) - read_bytes) / MEGABYTE, 1),
        seconds=round(time.monotonic() - begun, 1),
    )


@dataclass(frozen=True)
class Measured:
    """A measurement and the digest of all that it depends on; no `leak` if `key` was known."""

    key: str
    leak: Leak | None = None


def _key(dataset: Dataset, shown: Iterable[File]) -> str:
    """Digest the data set and every file's path, size, inode and times."""
    paths = [dataset.folder / split.value / TOKENS_FILE for split in Split]
    tokens = [(path.stat().st_mtime_ns, path.stat().st_size) for path in paths]
    files = sorted((file.path, file.size, file.inode, file.times) for file in shown)
    return sha256(repr((VERSION, dataset.info, tokens, files)).encode()).hexdigest()


def main(folder: Path, known: str) -> int:
    """Print the measurement as JSON, without the leak if its key is `known`."""
    dataset = open_dataset(folder)
    shown = files("/", {*NOT_FILES, str(folder)})
    key = _key(dataset, shown)
    result = Measured(key) if key == known else Measured(key, measure(dataset, shown))
    sys.stdout.write(codec.encode(result).decode())
    return 0


def find_leak(dataset: Path, sight: Sight) -> Leak:
    """Return how much of a data set's scored text runs with this sight can read.

    It is measured again only when a shown file or the data set has changed.

    Raises:
        KitError: the process that measures it failed.
    """
    kept = dataset.with_name(f".{dataset.name}.leak")
    before = Measured("")
    with suppress(OSError, InputError):
        before = codec.decode(Measured, kept.read_bytes())
    now = _measure_inside(dataset, sight, before.key if before.leak else "")
    leak = now.leak or before.leak
    assert leak is not None
    if now.leak:
        with suppress(OSError):  # a result that can't be kept is measured each time
            write_atomic(kept, codec.encode(now))
    return leak


def _measure_inside(dataset: Path, sight: Sight, known: str) -> Measured:
    kit = Path(__file__).parents[3]
    with tempfile.TemporaryDirectory(prefix="autoresearch-leak-") as name:
        home = Path(name)
        command = bubblewrap.command(
            SandboxLevel.BUBBLEWRAP,
            [sys.executable, "-P", "-m", MODULE, str(dataset), known],
            read_only=[kit / "autoresearch_kit", dataset],
            writable=[home],
            sight=sight,
            env=bubblewrap.environment(home=home, kit=kit, run_id=home.name),
        )
        with starters_pipe() as pipe:
            done = subprocess.run(command, cwd="/", stdin=pipe, capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise KitError(f"what runs can read could not be searched for scored text: {said}")
    return codec.decode(Measured, done.stdout)


if __name__ == "__main__":
    end_with_starter()
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
