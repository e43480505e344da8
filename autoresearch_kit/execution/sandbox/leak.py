"""Measure how much scored text stands verbatim in files that a run can read.

`python -m autoresearch_kit.execution.sandbox.leak DATASET KEY` reads, from inside a sandbox, all
that the sandbox shows, so that no file can be forgotten. It is kit code, and the only sandboxed
process that is given the scored text.

A task's hidden files are looked for in the same way, their bytes taken as text.

The scored text is known by its anchors, hashes of the 16 bytes at each position. A file is looked
at in every 25th position only. Where most of the anchors within some 200 bytes are of the scored
text and not of the training text, the 25 bytes from each of them on count as copied. Fewer are
chance: programs have many short strings in common.
"""

import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autoresearch_kit.errors import InputError, KitError
from autoresearch_kit.execution.processes.starter import end_with_starter, starter_pipe
from autoresearch_kit.execution.sandbox import bubblewrap, packages
from autoresearch_kit.execution.sandbox.file_contents import OVERLAP, PIECE, File, files, pieces
from autoresearch_kit.execution.sandbox.scored import Scored, open_scored
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.records import (
    DatasetInfo,
    Leak,
    LeakPlace,
    SandboxLevel,
    TaskInfo,
    VisibleFiles,
    codec,
)

MODULE = "autoresearch_kit.execution.sandbox.leak"

SECONDS = 30.0  # seconds for reading what is shown; a machine that is not busy needs some five
VERSION = 2  # version of the measurement: an earlier version's result is measured again

MOST_LEAK = 0.001
"""The share of the scored bytes that runs may be able to read. A lookup table of so few gains less
than the noise."""

MOST_HIDDEN_LEAK = 0.01  # the share of a task's hidden bytes: files of a few kB have more by chance

ANCHOR = 16
STRIDE = 25
NEIGHBOURS, ENOUGH = OVERLAP // STRIDE, 5
"""Neighbouring anchors of a file, and how many of them must be of the scored text: see above."""

SLOTS = 2**25  # entries of the table by which most hashes are rejected

FACTOR = np.uint64(0x9E3779B97F4A7C15)  # the golden ratio: Knuth, TAOCP 3, section 6.4
HALF = np.uint64(32)

FOLDERS = 3  # folders that are named: those with the largest copies
NOT_FILES = ("/proc", "/sys", "/dev")  # folders whose files the kernel makes up

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

    def __init__(self, text: bytes, common: Iterable[bytes] = (), least_variety: int = 1) -> None:
        text = text.ljust(ANCHOR)  # a tiny corpus has one anchor as well
        hashes = _hashes(text)
        ordered = np.sort(hashes)  # numpy.unique takes ten times as long
        self._anchors = ordered[np.r_[True, ordered[1:] != ordered[:-1]]]
        self._at = np.searchsorted(self._anchors, hashes)  # the anchor at each position
        self._counts = np.ones(len(self._anchors), np.bool_)
        self._size = len(text)
        self._fill_slots()
        for other in common:
            self._counts[self._find(_hashes(other))[1]] = False
        if least_variety > 1:
            self._counts[self._at[_varieties(text) < least_variety]] = False
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


def _varieties(text: bytes) -> Indices:
    """Count the different bytes among the 16 at each position of a text."""
    windows = np.lib.stride_tricks.sliding_window_view(np.frombuffer(text, np.uint8), ANCHOR)
    ordered = np.sort(windows, axis=1)
    varieties: Indices = 1 + np.count_nonzero(ordered[:, 1:] != ordered[:, :-1], axis=1)
    return varieties


def _slot(hashes: Hashes) -> npt.NDArray[np.intp]:
    return (hashes & np.uint64(SLOTS - 1)).astype(np.intp)


def search(scored: ScoredText, shown: Iterable[File]) -> dict[str, Indices]:
    """Return the anchors in copies of the scored text, by the folder whose files have them."""
    copies: defaultdict[str, list[Indices]] = defaultdict(list)

    def search_together(texts: list[tuple[str, bytes]]) -> None:
        gap = bytes(OVERLAP)  # so that no copy seems to go on in the next file
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


def measure(wanted: Scored, shown: Sequence[File]) -> Leak:
    """Measure how much of the scored text these files contain."""
    begun, read_bytes = time.monotonic(), 0
    scored = ScoredText(wanted.text(), wanted.common, wanted.least_variety)

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


def key(wanted: Scored, shown: Iterable[File], kit: Path) -> str:
    """Digest what is looked for, and every file's path, size, inode and times.

    Each campaign has its own copy of the package, `kit`: its modules count by what is in them.
    """
    files = sorted(_identity(file, kit) for file in shown if not _compiled(file, kit))
    return sha256(repr((VERSION, wanted.stamp, files)).encode()).hexdigest()


def _identity(file: File, kit: Path) -> tuple[str, str]:
    """Return a file's path and what tells whether it has changed."""
    path = Path(file.path)
    if not path.is_relative_to(kit):
        return file.path, repr((file.size, file.inode, file.times))
    return path.relative_to(kit).as_posix(), sha256(path.read_bytes()).hexdigest()


def _compiled(file: File, kit: Path) -> bool:
    """Return whether a file is byte code of the package, made from a module beside it."""
    return file.path.endswith(".pyc") and Path(file.path).is_relative_to(kit)


def main(folder: Path, known: str) -> int:
    """Print the measurement as JSON, without the leak if its key is `known`."""
    wanted = open_scored(folder)
    shown = files("/", {*NOT_FILES, str(folder)})
    now = key(wanted, shown, Path(__file__).parents[2])
    result = Measured(now) if now == known else Measured(now, measure(wanted, shown))
    sys.stdout.write(codec.encode(result).decode())
    return 0


def find_leak(dataset: Path, visible: VisibleFiles) -> Leak:
    """Return how much of a data set's scored text runs that see these files can read.

    It is measured again only when a shown file, the package or the data set has changed.

    Raises:
        KitError: the process that measures it failed.
    """
    kept = dataset.with_name(f".{dataset.name}.leak")
    before = Measured("")
    with suppress(OSError, InputError):
        before = codec.decode(Measured, kept.read_bytes())
    now = _measure_inside(dataset, visible, before.key if before.leak else "")
    leak = now.leak or before.leak
    assert leak is not None
    if now.leak:
        with suppress(OSError):  # a result that can't be kept is measured each time
            write_atomic(kept, codec.encode(now))
    return leak


def most_leak(info: DatasetInfo | TaskInfo) -> float:
    """Return the share that runs may be able to read."""
    return MOST_HIDDEN_LEAK if isinstance(info, TaskInfo) else MOST_LEAK


def too_much(leak: Leak, info: DatasetInfo | TaskInfo) -> str:
    """Return in words that runs could read too much, where, and the way out."""
    if not isinstance(info, TaskInfo):
        return (
            f"runs could read {leak.share:.3%} of the scored text, more than {MOST_LEAK:.1%}: its "
            f"largest copies are in {leak.largest}; remove them, or train on another corpus "
            "(--dataset)"
        )
    folders = ", ".join(f'"{_in_packages(place.folder)}"' for place in leak.places)
    return (
        f"runs could read {leak.share:.1%} of what is hidden: copies are in {leak.largest}; hide "
        f"them in {info.task.folder}/task.toml, below [sandbox]: hides = [{folders}]"
    )


def _in_packages(folder: str) -> str:
    """Return a folder's path from the one that packages are installed in, or as it is."""
    inside = (site for site in packages.site_folders() if Path(folder).is_relative_to(site))
    return next((Path(folder).relative_to(site).as_posix() for site in inside), folder)


def _measure_inside(dataset: Path, visible: VisibleFiles, known: str) -> Measured:
    kit = Path(__file__).parents[3]
    with tempfile.TemporaryDirectory(prefix="autoresearch-leak-") as name:
        home = Path(name)
        command = bubblewrap.command(
            SandboxLevel.BUBBLEWRAP,
            [sys.executable, "-P", "-m", MODULE, str(dataset), known],
            read_only=[kit / "autoresearch_kit", dataset],
            writable=[home],
            visible=visible,
            env=bubblewrap.environment(home=home, kit=kit, run_id=home.name),
        )
        with starter_pipe() as pipe:
            done = subprocess.run(command, cwd="/", stdin=pipe, capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise KitError(f"what runs can read could not be searched for scored text: {said}")
    return codec.decode(Measured, done.stdout)


if __name__ == "__main__":
    end_with_starter()
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
