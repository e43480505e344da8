"""Experiments as a pandas DataFrame, and as karpathy/autoresearch's results.tsv."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
from pandas.api.types import pandas_dtype

from autoresearch_kit.errors import InputError
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.ledger import Entry
from autoresearch_kit.records import Verdict
from autoresearch_kit.records.text import one_line
from autoresearch_kit.reports.rows import OBJECTIVE, Row, Rows, compared

TSV_COLUMNS = ("commit", OBJECTIVE, "memory_gb", "status", "description")
"""The columns of karpathy/autoresearch's results.tsv."""

GIBIBYTE = 2**30
"""Bytes in a GB of upstream's table: its train.py divides `max_memory_allocated` by 1024 thrice."""

COLUMNS = {
    "number": "int64",
    "status": "str",
    "reason": "str",
    OBJECTIVE: "float64",
    "error": "float64",
    "scores": "int64",
    "delta": "float64",
    "delta_error": "float64",
    "best": "float64",
    "audit": "float64",
    "idea": "str",
    "hypothesis": "str",
    "researcher": "str",
    "category": "str",
    "parent": "Int64",
    "retry_of": "Int64",
    "train_seconds": "float64",
    "wall_seconds": "float64",
    "unscored_seconds": "float64",
    "speed": "str",
    "steps": "float64",
    "tokens": "float64",
    "tokens_per_second": "float64",
    "memory_mb": "float64",
    "gpu_memory_mb": "float64",
    "nodes": "Int64",
    "requests": "Int64",
    "prompt_tokens": "Int64",
    "reply_tokens": "Int64",
    "usd": "float64",
    "runs": "int64",
    "sandbox": "str",
    "weaker": "bool",
    "detail": "str",
    "started": "datetime64[us, UTC]",
    "finished": "datetime64[us, UTC]",
    "commit": "str",
}
"""The columns of a frame of experiments, and their types."""

USAGE = {
    "requests": "requests",
    "prompt_tokens": "tokens_in",
    "reply_tokens": "tokens_out",
    "usd": "usd",
}
"""Columns that are fields of `Row.usage`; the others are fields of `Row`."""


def to_frame(entries: Iterable[Entry]) -> pd.DataFrame:
    """Return the frame of these experiments, all of a campaign's, in order."""
    return frame_of(read_rows(entries).now())


def frame_of(rows: Sequence[Row]) -> pd.DataFrame:
    """Return one row per experiment, in order, with `COLUMNS`.

    Texts that are missing are empty, numbers and times are NaN or NA; times are in UTC.
    """
    values = ([_value(row, name) for name in COLUMNS] for row in rows)
    frame = pd.DataFrame(values, columns=list(COLUMNS), dtype="object")
    for name, kind in COLUMNS.items():
        if kind == "str":
            frame[name] = frame[name].fillna("").astype("str")
        elif kind.startswith("datetime"):
            frame[name] = pd.to_datetime(frame[name], utc=True, format="ISO8601").dt.as_unit("us")
        else:
            frame[name] = frame[name].astype(pandas_dtype(kind))
    return frame


def _value(row: Row, name: str) -> object:
    if field := USAGE.get(name):
        return getattr(row.usage, field, None)
    return row.score if name == OBJECTIVE else getattr(row, name)


def read_rows(entries: Iterable[Entry]) -> Rows:
    """Return the rows of these experiments, all of a campaign's, in order."""
    rows = Rows()
    for entry in entries:
        rows.add(entry.experiment, entry.code_commit)
    return rows


def to_tsv(entries: Sequence[Entry]) -> str:
    """Return a campaign in upstream's columns; the objective is empty where there is no score.

    Memory is the GPU's peak, the host's without a GPU.
    """
    frame = to_frame(entries)
    peak = frame["gpu_memory_mb"].fillna(frame["memory_mb"]) * MEGABYTE / GIBIBYTE
    table = pd.DataFrame(
        {
            "commit": frame["commit"].str[:7],
            OBJECTIVE: frame[OBJECTIVE].map("{:.6f}".format, na_action="ignore"),
            "memory_gb": peak.map("{:.1f}".format, na_action="ignore"),
            "status": frame["status"],
            "description": frame["idea"].map(lambda idea: one_line(idea, 500)),
        }
    )
    # no quotes: upstream writes none, and one_line leaves no tab in a description
    return table.to_csv(sep="\t", index=False, quoting=csv.QUOTE_NONE, lineterminator="\n")


def is_log(name: str) -> bool:
    """Return whether `name` is that of a results.tsv rather than of a campaign."""
    return name.endswith(".tsv")


def read_tsv(path: Path) -> tuple[Row, ...]:
    """Read upstream's results.tsv.

    A crash has no score, though upstream writes 0.

    Raises:
        InputError: the file can't be read, is empty, lacks upstream's columns, has an unknown
            status, or a score that is no number.
    """
    head, *lines = _lines(path) or [[]]
    if tuple(head) != TSV_COLUMNS:
        raise InputError(f"{path}: columns {head}; expected: {list(TSV_COLUMNS)}")
    if not lines:
        raise InputError(f"{path}: no experiment in it yet")
    return compared([_row(path, number, line) for number, line in enumerate(lines)], None)


def _lines(path: Path) -> list[list[str]]:
    """Return the fields of each line as they are in the file."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InputError(f"can't read {path.absolute()}: {why}") from error
    return [line.split("\t") for line in lines if line.strip()]


def _row(path: Path, number: int, line: list[str]) -> Row:
    if len(line) != len(TSV_COLUMNS):
        raise InputError(f"{path}: {len(line)} fields, not {len(TSV_COLUMNS)}, in the row {line}")
    commit, value, memory_gb, status, description = line
    if status not in list(Verdict):
        raise InputError(f"{path}: status {status!r}; allowed: {', '.join(Verdict)}")
    score, memory = _number(path, OBJECTIVE, value), _number(path, "memory_gb", memory_gb)
    judged = status in (Verdict.KEEP, Verdict.DISCARD)
    return Row(
        number=number,
        status=Verdict(status),
        idea=description,
        scored=(score,) if judged and score is not None else (),
        commit=commit,
        gpu_memory_mb=memory * GIBIBYTE / MEGABYTE if judged and memory is not None else None,
    )


def _number(path: Path, column: str, text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError as error:
        raise InputError(f"{path}: {column} is no number: {error}") from error
