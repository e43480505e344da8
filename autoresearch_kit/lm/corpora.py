"""Corpora by name: those of the kit, or a file or directory of the user's own."""

from collections.abc import Callable, Mapping
from pathlib import Path

from autoresearch_kit.errors import CorpusError
from autoresearch_kit.lm.dataset import SUFFIXES, is_path, path_name
from autoresearch_kit.lm.files import FilesCorpus
from autoresearch_kit.lm.splits import Corpus
from autoresearch_kit.lm.stdlib import StdlibCorpus

NAMED: Mapping[str, Callable[[], Corpus]] = {"stdlib": StdlibCorpus}
"""The corpora that have a name of their own."""


def find(name_or_path: str) -> Corpus:
    """The corpus of that name, else the file or directory at that path.

    Raises:
        CorpusError: it is neither.
    """
    path = Path(name_or_path).expanduser()
    if is_path(name_or_path) and path.exists():
        return FilesCorpus(path_name(path), path.resolve())
    if name_or_path in NAMED:
        return NAMED[name_or_path]()
    raise CorpusError(
        f"no corpus '{name_or_path}': give {', '.join(NAMED)}, or the path of a "
        f"{', '.join(SUFFIXES)} file, or of a folder of them, as in ./folder"
    )
