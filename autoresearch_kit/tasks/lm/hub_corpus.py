"""The corpora that lie on the Hugging Face hub: `climbmix` and `tinystories`."""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from autoresearch_kit.errors import CorpusError, InputError
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.tasks.lm import hub, parquet
from autoresearch_kit.tasks.lm.build import Progress
from autoresearch_kit.tasks.lm.splits import Sizes, Split

DOWNLOADS = "downloads"
"""The folder of what was downloaded, beside the data sets."""

SHARDS = 10
"""Files of climbmix that are trained on, as upstream has it: some 2.5 GB of text."""

LAST_SHARD = 6_542
CLIMBMIX_SIZES = Sizes(vocab_size=8_192, context=2_048, eval_rows=40 * 524_288 // 2_048)
"""Upstream's (github.com/karpathy/autoresearch, prepare.py)."""

STORIES = "tinystories_gpt4_clean.parquet"
HELD_OUT_STORIES = 10_000
STORIES_SIZES = Sizes(vocab_size=2_048, context=512)
"""For two cores. A story has some 150 words out of a few thousand: whole ones fit the context. On
stdlib, 2,048 tokens did as well as 1,024 (benchmarks/README.md), and make a text shorter; of more,
most would be rows of the embedding that few steps touch."""


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
        """Where its files are kept; corpora of the same data set share them."""
        return self.home / DOWNLOADS / self.repository.replace("/", "--")

    def documents(self, split: Split) -> Iterator[str]:
        """The texts of a split, in the order of its pieces; `fetch` comes before.

        Raises:
            CorpusError: a file can't be read, or has no text column.
        """
        for piece in self.pieces[split]:
            yield from parquet.texts(self.folder / piece.file, piece.start, piece.stop)

    def hidden(self) -> tuple[Path, ...]:
        """The files that hold val or audit text."""
        held_out = chain(self.pieces[Split.VAL], self.pieces[Split.AUDIT])
        return tuple(sorted({(self.folder / piece.file).resolve() for piece in held_out}))

    def fetch(self, progress: Progress) -> None:
        """Download what is not here yet; what is, was checked when it came.

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
        if files:
            with progress("downloading", sum(file.size for file in files)) as advance:
                for file in files:
                    hub.fetch(file, self.folder / file.name, advance)

    def _check_room(self, files: Iterable[hub.HubFile]) -> None:
        needed = sum(file.size for file in files) - _size_of(self.folder.glob(".*.part"))
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise CorpusError(
                f"downloading {self.name} takes {needed / MEGABYTE:,.0f} MB, and "
                f"{free / MEGABYTE:,.0f} MB are free in {self.folder}: free some space, "
                "or set AUTORESEARCH_DATA to a folder on another disk"
            )


def _size_of(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def climbmix(home: Path, shards: int = SHARDS) -> HubCorpus:
    """Web text, 400 billion tokens, shuffled, of which `shards` files are trained on.

    The last file is val, as upstream has it, and the one before it audit.

    Raises:
        InputError: there are not so many.
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
    """Short stories in the words of small children, by GPT-4, cleaned and shuffled.

    Its page suggests which rows to test on, which to validate on, and which to train on.
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
