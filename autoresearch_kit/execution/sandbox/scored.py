"""Read the data that runs must not see: the scored text of a data set, or a task's hidden files."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from autoresearch_kit.execution.sandbox.file_contents import pieces
from autoresearch_kit.records import TaskInfo
from autoresearch_kit.tasks.kinds import read_info
from autoresearch_kit.tasks.lm.dataset import Dataset, open_dataset
from autoresearch_kit.tasks.lm.packing import TOKENS_FILE, spread
from autoresearch_kit.tasks.lm.splits import Split
from autoresearch_kit.tasks.measured.layout import AUDIT_FOLDER, DATA_FOLDER, HIDDEN_FOLDER

MOST_SCORED = 2_000_000
"""Bytes of val, and of audit, that are looked for: rows spread over a longer shard."""

MOST_TRAINED = 32_000_000  # bytes of the training text, whose anchors do not count

FEW, ROWS = 64, 10_000
"""Rows by which the usual length is estimated, and rows that are decoded at a time."""

LEAST_VARIETY = 4
"""Different bytes that 16 bytes of a task's hidden files must have to be looked for: programs are
full of zeros and of small numbers too."""

LEAST_OF_A_FILE = 1_000  # bytes that are looked for of each hidden file, however many there are


@dataclass(frozen=True)
class Scored:
    """Bytes that runs must not see, and others that they may, whose strings do not count.

    `text` reads them. `stamp` differs as soon as they do. `least_variety` is of the strings that
    are looked for.
    """

    text: Callable[[], bytes]
    common: Iterable[bytes]
    stamp: str
    least_variety: int = 1


def open_scored(folder: Path) -> Scored:
    """Return what runs must not see of a prepared data set or task."""
    info = read_info(folder)
    return of_task(folder, info) if isinstance(info, TaskInfo) else of_dataset(open_dataset(folder))


def of_dataset(dataset: Dataset) -> Scored:
    """Return the text of val and audit, apart from that of train."""
    paths = [dataset.folder / split.value / TOKENS_FILE for split in Split]
    tokens = [(path.stat().st_mtime_ns, path.stat().st_size) for path in paths]
    common = _texts(dataset, Split.TRAIN, MOST_TRAINED)
    return Scored(partial(scored_text, dataset), common, repr((dataset.info, tokens)))


def of_task(folder: Path, info: TaskInfo) -> Scored:
    """Return the hidden files, also what is packed in them, apart from those in `data/`."""
    hidden = [*_files(folder / HIDDEN_FOLDER), *_files(folder / AUDIT_FOLDER)]
    common = _some_of(_files(folder / DATA_FOLDER), MOST_TRAINED)
    text = partial(_some_of, hidden, 2 * MOST_SCORED)
    return Scored(lambda: b"".join(text()), common, info.digest, LEAST_VARIETY)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _some_of(paths: list[Path], most: int) -> Iterator[bytes]:
    """Yield the starts of files, some `most` bytes in all; a packed one as it is, and unpacked."""
    share = max(LEAST_OF_A_FILE, most // max(1, len(paths)))
    for path in paths:
        taken = 0
        for piece in pieces(str(path)):
            yield piece[:share]
            taken += len(piece)
            if taken > 2 * share:
                break


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
