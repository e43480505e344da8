"""The corpora that lie on the Hugging Face hub: `climbmix` and `tinystories`."""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from tqdm import tqdm

from autoresearch_kit.errors import CorpusError, InputError
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.tasks.lm import hub
from autoresearch_kit.tasks.lm.files import parquet_texts
from autoresearch_kit.tasks.lm.splits import Sizes, Split

DOWNLOADS = "downloads"
"""The folder of the downloaded files, beside the data sets."""

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
        """Return where its files are kept; corpora of the same data set share them."""
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
        names = dict.fromkeys(piece.file for piece in chain.from_iterable(self.pieces.values()))
        self.folder.mkdir(parents=True, exist_ok=True)
        missing = [name for name in names if not (self.folder / name).exists()]
        files = [hub.look(self.repository, name) for name in missing]
        self._check_room(files)
        for file in files:
            hub.fetch(file, self.folder / file.name, tqdm if show else hub.NoBar)

    def _check_room(self, files: Iterable[hub.HubFile]) -> None:
        arrived = sum(path.stat().st_size for path in self.folder.glob(".*.part"))
        needed = sum(file.size for file in files) - arrived
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise CorpusError(
                f"downloading {self.name} takes {needed / MEGABYTE:,.0f} MB, and "
                f"{free / MEGABYTE:,.0f} MB are free in {self.folder}: free some space, "
                "or set AUTORESEARCH_DATA to a folder on another disk"
            )


def climbmix(home: Path, shards: int = SHARDS) -> HubCorpus:
    """Return climbmix: 400 billion tokens of shuffled web text; `shards` files are trained on.

    The last file is val, as in karpathy/autoresearch, and the one before it audit.

    Raises:
        InputError: there are not so many files.
    """
    if not 1 <= shards < LAST_SHARD:
        raise InputError(f"--shards is {shards}: give 1 to {LAST_SHARD - 1:,}")
    train = tuple(Piece(_shard(number)) for number in range(shards))
    val, audit = (Piece(_shard(number)) for number in (LAST_SHARD, LAST_SHARD - 1))
    return HubCorpus(
        "climbmix" if shards == SHARDS else f"climbmix-s{shards}",
        "karpathy/climbmix-400b-shuffle",
        CLIMBMIX_SIZES,
        {Split.TRAIN: train, Split.VAL: (val,), Split.AUDIT: (audit,)},
        home,
    )


def _shard(number: int) -> str:
    return f"shard_{number:05d}.parquet"


def tinystories(home: Path) -> HubCorpus:
    """Return tinystories: short stories in the words of small children, by GPT-4, shuffled.

    Its page on the hub suggests which rows to test on, to validate on, and to train on.
    """
    audit, val, train = (
        Piece(STORIES, 0, HELD_OUT_STORIES),
        Piece(STORIES, HELD_OUT_STORIES, 2 * HELD_OUT_STORIES),
        Piece(STORIES, 2 * HELD_OUT_STORIES),
    )
    return HubCorpus(
        "tinystories",
        "karpathy/tinystories-gpt4-clean",
        STORIES_SIZES,
        {Split.TRAIN: (train,), Split.VAL: (val,), Split.AUDIT: (audit,)},
        home,
    )
