"""Text out of a .parquet file, in bounded memory."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from autoresearch_kit.errors import CorpusError

TEXT_COLUMN = "text"
_BATCH = 1_000  # rows
_BUFFER = 1 << 20  # bytes; without it, a whole row group's text is read at once; and
# pre-buffered, all that was read of a file stays in memory


def texts(path: Path, start: int = 0, stop: int | None = None) -> Iterator[str]:
    """The texts that are not empty in rows `start` up to `stop` (None: to the end), in order.

    Raises:
        CorpusError: it can't be read, or has no text column.
    """
    try:
        with pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False) as file:
            schema = file.schema_arrow
            if TEXT_COLUMN not in schema.names or not _is_text(schema.field(TEXT_COLUMN).type):
                raise CorpusError(no_text(str(path), schema.names))
            yield from filter(None, _rows(file, start, stop))
    except pa.ArrowException as error:
        raise CorpusError(f"can't read {path}: {error}") from error


def no_text(where: str, columns: Iterable[str]) -> str:
    """What is to be said of a file, or a part of one, that has no text column."""
    return f"{where} has no text in a column '{TEXT_COLUMN}'; its columns: {', '.join(columns)}"


def _rows(file: pq.ParquetFile, start: int, stop: int | None) -> Iterator[str | None]:
    """Row groups that lie before `start` are not read."""
    sizes = [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)]
    first = before = 0
    while first < len(sizes) and before + sizes[first] <= start:
        before += sizes[first]
        first += 1
    groups = range(first, len(sizes))
    batches = file.iter_batches(_BATCH, row_groups=groups, columns=[TEXT_COLUMN])
    values = (value for batch in batches for value in batch.column(0).to_pylist())
    return islice(values, start - before, None if stop is None else stop - before)


def _is_text(kind: pa.DataType) -> bool:
    return kind in (pa.string(), pa.large_string())
