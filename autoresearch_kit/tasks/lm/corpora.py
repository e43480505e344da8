"""Finds a corpus by its name, or by the path of a user's file or folder, and describes it."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from autoresearch_kit.errors import CorpusError, InputError
from autoresearch_kit.files.paths import data_home
from autoresearch_kit.records import DatasetInfo
from autoresearch_kit.tasks.lm.dataset import SUFFIXES, is_path, path_name
from autoresearch_kit.tasks.lm.files import FilesCorpus
from autoresearch_kit.tasks.lm.hub import climbmix, tinystories
from autoresearch_kit.tasks.lm.splits import Corpus, Sizes
from autoresearch_kit.tasks.lm.stdlib import StdlibCorpus

NAMED: Mapping[str, Callable[[Path], Corpus]] = {
    "stdlib": lambda _: StdlibCorpus(),
    "climbmix": climbmix,
    "tinystories": tinystories,
}
"""The corpora that have a name of their own, made with the folder of prepared data sets."""

ABOUT: Mapping[str, str] = {
    "stdlib": "a document is a source file of Python's standard library, their order drawn by a "
    "hash of the path; val and audit are files of modules that no training imports, split by the "
    "same hash, and what is left of those modules is trained on",
    "climbmix": "a document is a page of web text, in the order of the shuffled shards; val is the "
    "last shard, audit the one before it, training has the first ones",
    "tinystories": "a document is a short story in the words of small children, in the order of "
    "the shuffled file; audit is its first 10,000 rows, val the next 10,000, training the rest",
}
"""The documents of each named corpus, and how they are split, for a language model."""

ABOUT_OWN = (
    "documents are in the order of the files' names: a row of a .jsonl or .parquet file is one, "
    "and a hash of its text puts one in ten into val, one into audit; a .txt file is cut into "
    "pieces of some 4,000 characters, of every ten in a row one is val, one audit"
)
"""The documents of a corpus of the user's own, and how they are split."""

OWN_NAME = re.compile(r".+-[0-9a-f]{8}(-|$)")
"""Matches the name of a user's corpus (see `path_name`), even where its file is stdlib.txt."""


def find(name_or_path: str, home: Path | None = None, shards: int | None = None) -> Corpus:
    """Return the corpus of that name, else of the file or folder at that path.

    `shards` are the files of `climbmix` to train on. A corpus downloads into `home`.

    Raises:
        CorpusError: there is no such corpus or path.
        InputError: the corpus has no shards, or not so many.
    """
    home = home or data_home()
    path = Path(name_or_path).expanduser()
    if shards is not None:
        if name_or_path != "climbmix":
            raise InputError(f"--shards is for climbmix; {name_or_path} is prepared in whole")
        return climbmix(home, shards)
    if is_path(name_or_path) and path.exists():
        return FilesCorpus(path_name(path), path.resolve())
    if name_or_path in NAMED:
        return NAMED[name_or_path](home)
    raise CorpusError(
        f"no corpus '{name_or_path}': give {', '.join(NAMED)}, or the path of a "
        f"{', '.join(SUFFIXES)} file, or of a folder of them, as in ./folder"
    )


def hidden_here(info: DatasetInfo, corpus: str) -> tuple[Path, ...]:
    """Return the files on this machine, as it is now, that hold val or audit text of a data set.

    `corpus` is the name or path that it was made of. Of the standard library, all files that any
    Python holds out are hidden, since another Python may have packed it.
    """
    hidden = {Path(path) for path in info.hidden if Path(path).exists()}
    with suppress(CorpusError):  # the path is gone, or the data set was restored by its name
        hidden.update(find(corpus).hidden())
    if info.name.startswith(StdlibCorpus.name):
        hidden.update(StdlibCorpus().held_out())
    return tuple(sorted(hidden))


def about(name: str) -> str:
    """Describe the documents of the data set of this name, and their splits, in a line."""
    kind = name.partition("-")[0]
    own = kind not in NAMED or OWN_NAME.match(name)
    return ABOUT_OWN if own else ABOUT[kind]


def how_packed(info: DatasetInfo) -> str:
    """Describe how documents become rows, and in which order a run sees these, in a line."""
    rows = info.train_tokens // (info.context + 1)
    return (
        f"documents are packed once, at preparation, into {rows:,} training rows of context + 1 "
        "tokens by best fit: the longest waiting one that fits whole is next, and where none fits, "
        f"one is cut and goes on in another row, behind a BOS ({info.continued:.0%} of the tokens "
        "are cut off so from what comes before them); an epoch yields each row once, in an order "
        "drawn anew from the run's seed"
    )


def sizes_of(name_or_path: str) -> Sizes:
    """Return the sizes that suit a corpus, whether it is there or not."""
    return NAMED[name_or_path](data_home()).sizes if name_or_path in NAMED else Sizes()
