"""Campaigns as tables: a pandas DataFrame, and upstream's results.tsv."""

import csv
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import pandas as pd

from autoresearch_kit.errors import InputError
from autoresearch_kit.history.ledger import Entry
from autoresearch_kit.records import Run, SandboxLevel, Verdict
from autoresearch_kit.text import one_line

TSV_COLUMNS = ("commit", "val_bpb", "memory_gb", "status", "description")
"""The columns of karpathy/autoresearch's results.tsv."""

_TEXTS = (
    "status", "reason", "detail", "idea", "hypothesis", "researcher", "category", "sandbox",
    "commit",
)  # fmt: skip
_FLOATS = ("val_bpb", "train_seconds", "wall_seconds", "steps", "tokens", "memory_mb", "usd")
_INTEGERS = ("parent", "nodes", "requests", "prompt_tokens", "reply_tokens")
_TIMES = ("started", "finished")
_COLUMNS = (
    "number",
    "status",
    "reason",
    "val_bpb",
    "delta",
    "best",
    "idea",
    "hypothesis",
    "researcher",
    "category",
    "parent",
    "train_seconds",
    "wall_seconds",
    "steps",
    "tokens",
    "memory_mb",
    "nodes",
    "requests",
    "prompt_tokens",
    "reply_tokens",
    "usd",
    "runs",
    "sandbox",
    "detail",
    "started",
    "finished",
    "commit",
)


def to_frame(entries: Sequence[Entry]) -> pd.DataFrame:
    """One row per experiment, in order.

    `val_bpb` is NaN for a crash. `best` is that of the latest keep up to and including the row,
    `delta` is `val_bpb` minus the `best` before it: below 0 is an improvement. Of several runs of
    an experiment, seconds are summed, `steps` and `tokens` averaged, `memory_mb` is the highest,
    and `sandbox` the weakest; it is empty where nothing ran, or where it is not known.
    `requests`, `prompt_tokens`, `reply_tokens` and `usd` are what a language model took. `commit`
    is the code commit. Times are in UTC.
    """
    return _frame(pd.DataFrame([_row(entry) for entry in entries]))


def to_tsv(entries: Sequence[Entry]) -> str:
    """The campaign in upstream's five columns; a crash has an empty val_bpb, never 0."""
    frame = to_frame(entries)
    table = pd.DataFrame(
        {
            "commit": frame["commit"].str[:7],
            "val_bpb": frame["val_bpb"].map("{:.6f}".format, na_action="ignore"),
            "memory_gb": (frame["memory_mb"] / 1024).map("{:.1f}".format, na_action="ignore"),
            "status": frame["status"],
            "description": frame["idea"].map(lambda idea: one_line(idea, 500)),
        }
    )
    # no quotes: upstream writes none, and one_line leaves no tab in a description
    return table.to_csv(sep="\t", index=False, quoting=csv.QUOTE_NONE, lineterminator="\n")


def is_log(name: str) -> bool:
    """Whether `name` is that of a results.tsv rather than of a campaign."""
    return name.endswith(".tsv")


def read_tsv(path: Path) -> pd.DataFrame:
    """Upstream's results.tsv as a frame like `to_frame`'s; what it doesn't say is missing.

    A crash's val_bpb, which upstream writes as 0, is NaN.

    Raises:
        InputError: the file can't be read, is empty, hasn't upstream's columns, has a status that
            is none of the three, or a score that is no number.
    """
    table = _text_table(path)
    if table.empty:
        raise InputError(f"{path}: no experiment in it yet")
    unknown = set(table["status"]) - {verdict.value for verdict in Verdict}
    if unknown:
        raise InputError(f"{path}: status {sorted(unknown)}; allowed: {', '.join(Verdict)}")
    crashed = table["status"] == Verdict.CRASH
    return _frame(
        table.assign(
            number=range(len(table)),
            runs=1,
            val_bpb=_numbers(path, table["val_bpb"]).mask(crashed),
            memory_mb=_numbers(path, table["memory_gb"]).mask(crashed) * 1024,
            idea=table["description"],
        )
    )


def _text_table(path: Path) -> pd.DataFrame:
    """The file's rows as they stand there, every field a text."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InputError(f"can't read {path.absolute()}: {why}") from error
    rows = [line.split("\t") for line in lines if line.strip()]
    if not rows or tuple(rows[0]) != TSV_COLUMNS:
        found = rows[0] if rows else []
        raise InputError(f"{path}: columns {found}; expected: {list(TSV_COLUMNS)}")
    for row in rows:
        if len(row) != len(TSV_COLUMNS):
            raise InputError(f"{path}: {len(row)} fields, not {len(TSV_COLUMNS)}, in the row {row}")
    return pd.DataFrame(rows[1:], columns=list(TSV_COLUMNS))


def _numbers(path: Path, column: pd.Series) -> pd.Series:
    """The texts of `column` as numbers; an empty one is NaN."""
    try:
        return column.replace("", "nan").astype("float64")
    except ValueError as error:
        raise InputError(f"{path}: {column.name} is no number: {error}") from error


def _row(entry: Entry) -> dict[str, str | int | float | None]:
    experiment, proposal = entry.experiment, entry.experiment.proposal
    return {
        "number": experiment.number,
        "status": experiment.verdict.value,
        "reason": experiment.reason.value,
        "val_bpb": experiment.val_bpb,
        "idea": proposal.idea,
        "hypothesis": proposal.hypothesis,
        "researcher": proposal.researcher,
        "category": proposal.category,
        "parent": proposal.parent,
        "nodes": experiment.nodes,
        "requests": experiment.usage.requests,
        "prompt_tokens": experiment.usage.tokens_in,
        "reply_tokens": experiment.usage.tokens_out,
        "usd": experiment.usage.usd,
        "runs": len(experiment.runs),
        "detail": experiment.detail,
        "started": experiment.started,
        "finished": experiment.finished,
        "commit": entry.code_commit,
        "sandbox": weakest_sandbox(experiment.runs),
        **_measured(experiment.runs),
    }


def weakest_sandbox(runs: Sequence[Run]) -> str:
    """The least that stood between these runs' code and the machine; empty if none ran."""
    levels = {run.sandbox for run in runs}
    weakest_first = (SandboxLevel.NONE, SandboxLevel.BUBBLEWRAP)
    return next((level.value for level in weakest_first if level in levels), "")


def _measured(runs: Sequence[Run]) -> dict[str, float]:
    if not runs:  # the edit did not apply
        return {}
    return {
        "train_seconds": sum(run.train_seconds for run in runs),
        "wall_seconds": sum(run.wall_seconds for run in runs),
        "steps": fmean(run.steps for run in runs),
        "tokens": fmean(run.tokens for run in runs),
        "memory_mb": max(run.peak_memory_mb for run in runs),
    }


def _frame(table: pd.DataFrame) -> pd.DataFrame:
    """`table` with all columns, in their types, and with what follows from the verdicts."""
    frame = table.reindex(columns=list(_COLUMNS))
    for name in _TEXTS:
        frame[name] = frame[name].astype("object").fillna("").astype("str")
    for name in _FLOATS:
        frame[name] = frame[name].astype("float64")
    for name in _INTEGERS:
        frame[name] = frame[name].astype("Int64")
    for name in _TIMES:
        frame[name] = pd.to_datetime(frame[name], utc=True, format="ISO8601").dt.as_unit("us")
    frame["best"] = frame["val_bpb"].where(frame["status"] == Verdict.KEEP).ffill()
    frame["delta"] = frame["val_bpb"] - frame["best"].shift()
    return frame.astype({"number": "int64", "runs": "int64"})
