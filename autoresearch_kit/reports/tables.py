"""Campaigns as tables: a pandas DataFrame, and upstream's results.tsv."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
import pandas as pd

from autoresearch_kit.errors import InputError
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.ledger.ledger import Entry
from autoresearch_kit.records import Experiment, SandboxLevel, Verdict, speed
from autoresearch_kit.records.text import one_line
from autoresearch_kit.verdicts.estimates import Estimate, estimates

TSV_COLUMNS = ("commit", "val_bpb", "memory_gb", "status", "description")
"""The columns of karpathy/autoresearch's results.tsv."""

_TEXTS = (
    "status",
    "reason",
    "detail",
    "idea",
    "hypothesis",
    "researcher",
    "category",
    "sandbox",
    "commit",
    "speed",
)
GIBIBYTE = 2**30
"""Bytes in a GB of upstream's table: its train.py divides `max_memory_allocated` by 1024 thrice."""

_FLOATS = (
    "val_bpb",
    "error",
    "audit",
    "train_seconds",
    "wall_seconds",
    "unscored_seconds",
    "steps",
    "tokens",
    "tokens_per_second",
    "memory_mb",
    "gpu_memory_mb",
    "usd",
)
_INTEGERS = ("parent", "retry_of", "nodes", "requests", "prompt_tokens", "reply_tokens")
_TIMES = ("started", "finished")
_COLUMNS = (
    "number",
    "status",
    "reason",
    "val_bpb",
    "error",
    "scores",
    "delta",
    "delta_error",
    "best",
    "audit",
    "idea",
    "hypothesis",
    "researcher",
    "category",
    "parent",
    "retry_of",
    "train_seconds",
    "wall_seconds",
    "unscored_seconds",
    "speed",
    "steps",
    "tokens",
    "tokens_per_second",
    "memory_mb",
    "gpu_memory_mb",
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

    `val_bpb` is what is known by now: the mean over all `scores` of its code, with those from when
    it was run again as the best; NaN for a crash and for what was disturbed. `error` is its
    standard error by the latest noise of the campaign; NaN if that is not known. `best` is that of
    the latest keep up to and including the row, `delta` is `val_bpb` minus the `best` before it:
    below 0 is an improvement. `retry_of` is the disturbed experiment that the row tries again.
    `delta_error` is its standard error. What a verdict was held against in its time is in `detail`.

    `audit` is the mean over the runs that were scored on the audit shard; NaN without any.
    `sandbox` is the weakest level of the experiment's `runs`, empty if it is not known. Seconds
    are summed over all that it took: attempts that crashed and were mended, its own runs, those of
    the best that it asked for, those set aside; `unscored_seconds` are the wall-clock of its probes
    and of its profile, which are not among them. Of its own, `steps`, `tokens` and
    `tokens_per_second` are averaged, `memory_mb` and `gpu_memory_mb` are the highest, the GPU's by
    its driver, NaN where there was none; `speed` says steps and tokens/s in words, run by run where
    steps differ. `requests`, `prompt_tokens`, `reply_tokens` and `usd` are what a language model
    took. `commit` is the code commit. Times are in UTC.
    """
    known = estimates([entry.experiment for entry in entries])
    rows = [_row(entry, known.get(entry.experiment.number)) for entry in entries]
    return _frame(pd.DataFrame(rows))


def to_tsv(entries: Sequence[Entry]) -> str:
    """The campaign in upstream's five columns; what has no score has an empty val_bpb, never 0."""
    frame = to_frame(entries)
    table = pd.DataFrame(
        {
            "commit": frame["commit"].str[:7],
            "val_bpb": frame["val_bpb"].map("{:.6f}".format, na_action="ignore"),
            "memory_gb": _gigabytes(frame),
            "status": frame["status"],
            "description": frame["idea"].map(lambda idea: one_line(idea, 500)),
        }
    )
    # no quotes: upstream writes none, and one_line leaves no tab in a description
    return table.to_csv(sep="\t", index=False, quoting=csv.QUOTE_NONE, lineterminator="\n")


def _gigabytes(frame: pd.DataFrame) -> pd.Series:
    """Peak memory as upstream has it, in 2**30 bytes: the GPU's, the host's without one."""
    peak = frame["gpu_memory_mb"].fillna(frame["memory_mb"])
    return (peak * MEGABYTE / GIBIBYTE).map("{:.1f}".format, na_action="ignore")


def weaker(frame: pd.DataFrame) -> pd.Series:
    """Which experiments ran in a weaker sandbox than others of the campaign."""
    there = set(frame["sandbox"])
    return frame["sandbox"].isin([level for level in SandboxLevel if level in there][1:])


def is_log(name: str) -> bool:
    """Whether `name` is that of a results.tsv rather than of a campaign."""
    return name.endswith(".tsv")


def read_tsv(path: Path) -> pd.DataFrame:
    """Upstream's results.tsv as a frame like `to_frame`'s; what it doesn't say is missing.

    A crash's val_bpb, which upstream writes as 0, is NaN, and so is that of what was disturbed.

    Raises:
        InputError: the file can't be read, is empty, hasn't upstream's columns, has a status that
            is none of the four, or a score that is no number.
    """
    table = _text_table(path)
    if table.empty:
        raise InputError(f"{path}: no experiment in it yet")
    unknown = set(table["status"]) - {verdict.value for verdict in Verdict}
    if unknown:
        raise InputError(f"{path}: status {sorted(unknown)}; allowed: {', '.join(Verdict)}")
    unscored = table["status"].isin([Verdict.CRASH, Verdict.DISTURBED])
    return _frame(
        table.assign(
            number=range(len(table)),
            runs=1,
            scores=(~unscored).astype("int64"),
            val_bpb=_numbers(path, table["val_bpb"]).mask(unscored),
            gpu_memory_mb=_numbers(path, table["memory_gb"]).mask(unscored) * GIBIBYTE / MEGABYTE,
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


def _row(entry: Entry, known: Estimate | None) -> dict[str, str | int | float | None]:
    experiment, proposal = entry.experiment, entry.experiment.proposal
    return {
        "number": experiment.number,
        "status": experiment.verdict.value,
        "reason": experiment.reason.value,
        "val_bpb": known.value if known else None,
        "error": known.error if known else None,
        "scores": known.scores if known else 0,
        "idea": proposal.idea,
        "hypothesis": proposal.hypothesis,
        "researcher": proposal.researcher,
        "category": proposal.category,
        "parent": proposal.parent,
        "retry_of": proposal.retry_of,
        "nodes": experiment.nodes,
        "requests": experiment.usage.requests,
        "prompt_tokens": experiment.usage.tokens_in,
        "reply_tokens": experiment.usage.tokens_out,
        "usd": experiment.usage.usd,
        "runs": len(experiment.runs),
        "unscored_seconds": experiment.unscored_seconds,
        "sandbox": experiment.sandbox,
        "detail": experiment.detail,
        "started": experiment.started,
        "finished": experiment.finished,
        "commit": entry.code_commit,
        "speed": speed(experiment.runs),
        **_measured(experiment),
    }


def _measured(experiment: Experiment) -> dict[str, float | None]:
    runs = experiment.runs
    if not experiment.all_runs:  # the edit did not apply
        return {}
    seconds: dict[str, float | None] = {
        "train_seconds": sum(run.train_seconds for run in experiment.all_runs),
        "wall_seconds": sum(run.wall_seconds for run in experiment.all_runs),
    }
    if not runs:  # it crashed, and then the mended edit did not apply
        return seconds
    audits = [run.audit.value for run in runs if run.audit]
    return {
        **seconds,
        "audit": fmean(audits) if audits else math.nan,
        "steps": fmean(run.steps for run in runs),
        "tokens": fmean(run.tokens for run in runs),
        "tokens_per_second": fmean(run.tokens_per_second for run in runs),
        "memory_mb": max(run.peak_memory_mb for run in runs),
        "gpu_memory_mb": max((run.gpu_mb for run in runs if run.gpu_mb is not None), default=None),
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
    best_error = frame["error"].where(frame["status"] == Verdict.KEEP).ffill()
    frame["delta_error"] = np.hypot(frame["error"], best_error.shift())
    return frame.astype({"number": "int64", "runs": "int64", "scores": "int64"})
