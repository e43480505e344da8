"""Corpora by name: those of the kit, or a file or directory of the user's own."""

from collections.abc import Callable, Mapping
from pathlib import Path

from autoresearch_kit.errors import CorpusError, InputError
from autoresearch_kit.lm.dataset import SUFFIXES, is_path, path_name
from autoresearch_kit.lm.files import FilesCorpus
from autoresearch_kit.lm.hub_corpus import climbmix, tinystories
from autoresearch_kit.lm.splits import Corpus, Sizes
from autoresearch_kit.lm.stdlib import StdlibCorpus
from autoresearch_kit.paths import data_home

NAMED: Mapping[str, Callable[[Path], Corpus]] = {
    "stdlib": lambda _: StdlibCorpus(),
    "climbmix": climbmix,
    "tinystories": tinystories,
}
"""The corpora that have a name of their own, made with the folder of prepared data sets."""


def find(name_or_path: str, home: Path | None = None, shards: int | None = None) -> Corpus:
    """The corpus of that name, else the file or directory at that path.

    `shards` are the files of `climbmix` to train on. What a corpus downloads goes into `home`.

    Raises:
        CorpusError: it is neither.
        InputError: it has no shards, or not so many.
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


def sizes_of(name_or_path: str) -> Sizes:
    """What suits that corpus, whether it is there or not."""
    return NAMED[name_or_path](data_home()).sizes if name_or_path in NAMED else Sizes()
