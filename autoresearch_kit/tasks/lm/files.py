"""A corpus of the user's own: a .txt, .jsonl or .parquet file, or a folder of them."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from itertools import count
from pathlib import Path

import msgspec

from autoresearch_kit.errors import CorpusError
from autoresearch_kit.tasks.lm import parquet
from autoresearch_kit.tasks.lm.splits import Sizes, Split, number

PIECE_CHARACTERS = 4_000
"""A text file is cut into pieces of about this length, at line ends where there are any."""
FOLDS = 10
"""One part in this many is val, another one audit."""


class FilesCorpus:
    """Documents out of the user's files.

    A row of a .jsonl or .parquet file is a document, and a hash of its text says which split it is
    in, so that equal documents are never apart. A text file is cut into pieces; of every ten in
    a row, one is val and one audit, so that one file is enough.
    """

    sizes = Sizes()

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path

    def documents(self, split: Split) -> Iterator[str]:
        """Documents in the order of the files' names.

        Raises:
            CorpusError: no such files, or one that can't be read or has no text column.
        """
        for path in self._files:
            for document, its_split in READERS[path.suffix](path):
                if its_split is split and document:
                    yield document

    def hidden(self) -> tuple[Path, ...]:
        """All of the files: any of them may hold val or audit text."""
        return self._files

    @cached_property
    def _files(self) -> tuple[Path, ...]:
        found = sorted(self.path.rglob("*")) if self.path.is_dir() else [self.path]
        files = tuple(path.resolve() for path in found if path.is_file() and path.suffix in READERS)
        if not files:
            raise CorpusError(f"no {', '.join(READERS)} file at {self.path}")
        return files


Documents = Iterator[tuple[str, Split]]


def _read_text(path: Path) -> Documents:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for index in count():
                piece = file.read(PIECE_CHARACTERS)
                if not piece:
                    return
                yield piece + file.readline(PIECE_CHARACTERS), _split_of_piece(path.name, index)
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} is not UTF-8 text: {error}") from error


def _read_jsonl(path: Path) -> Documents:
    with path.open("rb") as file:
        for row_number, line in enumerate(file, 1):
            if line.strip():
                text = _text_of_line(line, f"{path} line {row_number}")
                yield text, _split_of_text(text)


def _text_of_line(line: bytes, where: str) -> str:
    try:
        row = msgspec.json.decode(line, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorpusError(f"{where} is not a JSON object: {error}") from error
    text = row.get(parquet.TEXT_COLUMN)
    if not isinstance(text, str):
        raise CorpusError(parquet.no_text(where, row))
    return text


def _read_parquet(path: Path) -> Documents:
    for text in parquet.texts(path):
        yield text, _split_of_text(text)


def _split_of_text(text: str) -> Split:
    return SPLITS.get(number(text.encode()) % FOLDS, Split.TRAIN)


def _split_of_piece(name: str, index: int) -> Split:
    """Two places of every ten are drawn, one for val and one for audit."""
    block, place = divmod(index, FOLDS)
    drawn = number(f"{name} {block}".encode())
    shift = drawn % FOLDS
    audit = (shift + 1 + drawn // FOLDS % (FOLDS - 1)) % FOLDS
    return {shift: Split.VAL, audit: Split.AUDIT}.get(place, Split.TRAIN)


SPLITS: Mapping[int, Split] = {0: Split.VAL, 1: Split.AUDIT}
READERS: Mapping[str, Callable[[Path], Documents]] = {
    ".txt": _read_text,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
}
