"""A corpus of the user's own: a .txt, .jsonl or .parquet file, or a folder of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import count, islice
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from autoresearch_kit.errors import CorpusError
from autoresearch_kit.tasks.lm.splits import Sizes, Split, number

TEXT_COLUMN = "text"
PIECE_CHARACTERS = 4_000
"""A text file is cut into pieces of about this length, at line ends where there are any."""
FOLDS = 10  # one part in this many is val, another one audit

_BATCH = 1_000  # rows
_BUFFER = 1 << 20  # bytes

Documents = Iterator[tuple[str, Split]]


class FilesCorpus:
    """Documents out of the user's files.

    A row of a .jsonl or .parquet file is a document, and a hash of its text draws its split, so
    that equal documents are never apart. A text file is cut into pieces; of every ten in a row, one
    is val and one audit, so that one file is enough.
    """

    sizes = Sizes()

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path

    def documents(self, split: Split) -> Iterator[str]:
        """Yield documents in the order of the files' names.

        Raises:
            CorpusError: there are no such files, or one can't be read or has no text column.
        """
        for path in self._files:
            for document, its_split in READERS[path.suffix](path):
                if its_split is split and document:
                    yield document

    def hidden(self) -> tuple[Path, ...]:
        """Return all of the files: any of them may hold val or audit text."""
        return self._files

    @cached_property
    def _files(self) -> tuple[Path, ...]:
        paths = sorted(self.path.rglob("*")) if self.path.is_dir() else [self.path]
        files = tuple(path.resolve() for path in paths if path.is_file() and path.suffix in READERS)
        if not files:
            raise CorpusError(f"no {', '.join(READERS)} file at {self.path}")
        return files


def parquet_texts(path: Path, start: int = 0, stop: int | None = None) -> Iterator[str]:
    """Yield the texts that are not empty in rows `start` up to `stop` (None: to the end).

    Raises:
        CorpusError: the file can't be read, or has no text column.
    """
    try:
        # Without a buffer, a whole row group's text is read at once; pre-buffered, it stays.
        with pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False) as file:
            schema = file.schema_arrow
            kinds = {field.name: field.type for field in schema}
            if kinds.get(TEXT_COLUMN) not in (pa.string(), pa.large_string()):
                raise CorpusError(_no_text(str(path), schema.names))
            yield from filter(None, _parquet_rows(file, start, stop))
    except pa.ArrowException as error:
        raise CorpusError(f"can't read {path}: {error}") from error


def _parquet_rows(file: pq.ParquetFile, start: int, stop: int | None) -> Iterator[str | None]:
    """Yield rows without reading the row groups that lie before `start`."""
    sizes = [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)]
    first = before = 0
    while first < len(sizes) and before + sizes[first] <= start:
        before += sizes[first]
        first += 1
    groups = range(first, len(sizes))
    batches = file.iter_batches(_BATCH, row_groups=groups, columns=[TEXT_COLUMN])
    values = (value for batch in batches for value in batch.column(0).to_pylist())
    return islice(values, start - before, None if stop is None else stop - before)


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
    match row.get(TEXT_COLUMN):
        case str(text):
            return text
    raise CorpusError(_no_text(where, row))


def _no_text(where: str, columns: Iterable[str]) -> str:
    return f"{where} has no text in a column '{TEXT_COLUMN}'; its columns: {', '.join(columns)}"


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


def _split_of_text(text: str) -> Split:
    return {0: Split.VAL, 1: Split.AUDIT}.get(number(text.encode()) % FOLDS, Split.TRAIN)


def _split_of_piece(name: str, index: int) -> Split:
    """Draw two pieces of every ten: the first for val, and another for audit."""
    block, at = divmod(index, FOLDS)
    drawn = number(f"{name} {block}".encode())
    val = drawn % FOLDS
    audit = (val + 1 + drawn // FOLDS % (FOLDS - 1)) % FOLDS
    return {val: Split.VAL, audit: Split.AUDIT}.get(at, Split.TRAIN)


READERS: Mapping[str, Callable[[Path], Documents]] = {
    ".txt": _read_text,
    ".jsonl": _read_jsonl,
    ".parquet": lambda path: ((text, _split_of_text(text)) for text in parquet_texts(path)),
}
