"""Experiments as a pandas DataFrame, and as karpathy/autoresearch's results.tsv."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import get_type_hints

import pandas as pd

from autoresearch_kit.errors import InputError
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.ledger import Entry
from autoresearch_kit.records import LANGUAGE_MODELLING, Metric, Reason, SandboxLevel, Task, Verdict
from autoresearch_kit.records.text import one_line
from autoresearch_kit.reports.rows import Row, compared, rows_of

UPSTREAM = LANGUAGE_MODELLING.objective  # the metric in karpathy/autoresearch's results.tsv

TSV_COLUMNS = ("commit", UPSTREAM.name, "memory_gb", "status", "description")
"""The columns of karpathy/autoresearch's results.tsv."""

GIBIBYTE = 2**30
"""Bytes in a GB of upstream's table: its train.py divides `max_memory_allocated` by 1024 thrice."""

KINDS = {
    int: "int64",
    int | None: "Int64",
    float | None: "float64",
    bool: "bool",
    str: "str",
    Verdict: "str",
    SandboxLevel | None: "str",
    datetime | None: "datetime64[us, UTC]",
}
"""The types of columns by those of fields of `Row`; fields of other types are no columns."""

COLUMNS = {name: KINDS[kind] for name, kind in get_type_hints(Row).items() if kind in KINDS}


def to_frame(entries: Sequence[Entry]) -> pd.DataFrame:
    """Return the frame of these experiments, all of a campaign's, by number, as `named` has it."""
    return named(frame_of(rows_of(entries)), task_of(entries).objective)


def task_of(entries: Sequence[Entry]) -> Task:
    """Return the task of a campaign's experiments; language modelling before there are any."""
    return entries[-1].experiment.settings.task if entries else LANGUAGE_MODELLING


def frame_of(rows: Sequence[Row]) -> pd.DataFrame:
    """Return one row per experiment, with the fields of `Row`, and a column for each other metric.

    Texts that are missing are empty, numbers and times are NaN or NA; times are in UTC.
    """
    values = ([getattr(row, name) for name in COLUMNS] for row in rows)
    frame = pd.DataFrame(values, columns=list(COLUMNS), dtype="object")
    texts = {name: "" for name, kind in COLUMNS.items() if kind == "str"}
    frame = frame.fillna(texts).astype(COLUMNS)
    others = dict.fromkeys(name for row in rows for name in row.values)
    measured = {column(name): [row.values.get(name) for row in rows] for name in others}
    return frame.assign(**pd.DataFrame(measured, frame.index, dtype="float64"))


def leading(frame: pd.DataFrame) -> pd.Series:
    """Return which experiments of a frame of `frame_of` became the best, as `Row.leads` does."""
    kept = (frame["status"] == Verdict.KEEP) & ~frame["held"]
    return kept & (frame["reason"] != Reason.TRADE_OFF)


def column(metric: str) -> str:
    """Return the name of a metric's column: its own, unless the kit has a column of that name."""
    return f"{metric} (measured)" if metric in COLUMNS else metric


def column_of(metric: str, task: Task) -> str:
    """Return the name of a metric's column in a frame of `frame_of`."""
    return "score" if metric == task.objective.name else column(metric)


def named(frame: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Return the frame with `score` and its standard error, `_se`, under the metric's name."""
    name = column(metric.name)
    return frame.rename(columns={"score": name, "score_se": f"{name}_se"})


def to_tsv(entries: Sequence[Entry]) -> str:
    """Return a campaign in upstream's columns; the objective is empty where there is no score.

    Memory is the GPU's peak, the host's without a GPU.
    """
    frame, metric = frame_of(rows_of(entries)), task_of(entries).objective
    peak = frame["gpu_memory_mb"].fillna(frame["memory_mb"]) * MEGABYTE / GIBIBYTE
    taken = {*TSV_COLUMNS} - {UPSTREAM.name}
    name = f"{metric.name} (measured)" if metric.name in taken else metric.name
    score = "{:.6f}" if metric == UPSTREAM else "{:.9g}"
    table = pd.DataFrame(
        {
            "commit": frame["commit"].str[:7],
            name: frame["score"].map(score.format, na_action="ignore"),
            "memory_gb": peak.map("{:.1f}".format, na_action="ignore"),
            "status": frame["status"],
            "description": frame["idea"].map(lambda idea: one_line(idea, 500)),
        }
    )
    # upstream writes no quotes, and `one_line` leaves no tab in a description
    return table.to_csv(sep="\t", index=False, quoting=csv.QUOTE_NONE, lineterminator="\n")


def is_log(name: str) -> bool:
    """Return whether `name` is that of a results.tsv rather than of a campaign."""
    return name.endswith(".tsv")


def read_tsv(path: Path) -> tuple[Row, ...]:
    """Read upstream's results.tsv.

    Raises:
        InputError: the file can't be read, is empty, lacks upstream's columns, has an unknown
            status, or a score that is no number.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # a spreadsheet begins with a mark
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InputError(f"can't read {path.absolute()}: {why}") from error
    # not splitlines: an idea may hold other line breaks
    head, *lines = [line.split("\t") for line in text.split("\n") if line.strip()] or [[]]
    if tuple(head) != TSV_COLUMNS:
        raise InputError(f"{path}: columns {head}; expected: {list(TSV_COLUMNS)}")
    if not lines:
        raise InputError(f"{path}: no experiment in it yet")
    return compared([_row(path, number, line) for number, line in enumerate(lines)], None)


def _row(path: Path, number: int, line: list[str]) -> Row:
    if len(line) != len(TSV_COLUMNS):
        raise InputError(f"{path}: {len(line)} fields, not {len(TSV_COLUMNS)}, in the row {line}")
    commit, value, memory_gb, status, idea = line
    if status not in list(Verdict):
        raise InputError(f"{path}: status {status!r}; allowed: {', '.join(Verdict)}")
    row = Row(number, Verdict(status), idea=idea, commit=commit)
    if status not in (Verdict.KEEP, Verdict.DISCARD):
        return row  # upstream writes 0 as the score of a crash
    try:
        scores = (float(value),) if value else ()
        peak = float(memory_gb) * GIBIBYTE / MEGABYTE if memory_gb else None
    except ValueError as error:
        raise InputError(f"{path}: {error}, in the row {line}") from error
    return replace(row, own_scores=scores, gpu_memory_mb=peak)
