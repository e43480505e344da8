"""The tables of a campaign's results, made from the frame of its experiments."""

from collections.abc import Mapping, Sequence

import pandas as pd
from pandas.api.types import is_string_dtype

from autoresearch_kit.errors import InputError
from autoresearch_kit.records import Metric, State, Task, Verdict
from autoresearch_kit.reports.confirmation import KeepFound, Worth
from autoresearch_kit.reports.device_time import SlotTime
from autoresearch_kit.reports.figures.table import Table
from autoresearch_kit.reports.figures.x_axis import in_order
from autoresearch_kit.reports.status import idle_seconds
from autoresearch_kit.reports.tables import column, leading

DELTA = ["delta", "delta_se"]
BY_WHOM = ["speed", "researcher", "category", "sandbox", "trusted", "idea"]
"""The last columns of a table that fits a laptop's screen."""

CONFIRMED = [
    *("number", "finding", "claimed", "worth", "worth_se", "helps", "stays", "idea", "detail")
]
"""Columns of the results of `autoresearch confirm`."""

NOT_RECORDED = "not recorded"  # stands for a category or a reason that is missing


def keeps(frame: pd.DataFrame, task: Task) -> Table:
    """Return what was kept after the baseline, the largest gain in the first objective first."""
    kept = _with_approvals(frame[frame["status"] == Verdict.KEEP].set_index("number"))
    kept = kept[kept["delta"].notna()].sort_values("delta", ascending=task.objective.sign > 0)
    others = [column(name) for name in task.objectives[1:] if column(name) in frame]
    columns = ["reason", *DELTA, *_scores(task.objective), *others]
    return _telling(kept, [*columns, "speed", "gpu_memory_mb", "category", "idea"])


def categories(frame: pd.DataFrame, metric: Metric) -> Table:
    """Return how many ideas of each kind were tried, kept and crashed, and their total gain."""
    frame = frame.assign(
        category=frame["category"].replace("", NOT_RECORDED),
        tried=frame["number"] > 0,
        kept=frame["status"] == Verdict.KEEP,
        crashed=frame["status"] == Verdict.CRASH,
    )
    gain = -metric.sign * frame["delta"]
    frame["gain"] = gain.where(leading(frame), 0.0)
    judged = frame[frame["tried"] & (frame["status"] != Verdict.DISTURBED)]
    sums = judged.groupby("category")[["tried", "kept", "crashed", "gain"]].sum()
    return Table(sums.sort_values(["gain", "tried"], ascending=False))


def crashes(frame: pd.DataFrame) -> Table:
    """Return how often experiments crashed for each reason, and details of the last of them."""
    frame = in_order(frame)
    crashed = frame[frame["status"] == Verdict.CRASH]
    crashed = crashed.assign(reason=crashed["reason"].replace("", NOT_RECORDED))
    reasons = crashed.groupby("reason").agg(
        times=("number", "size"),
        last=("number", "last"),
        idea=("idea", "last"),
        detail=("detail", "last"),
    )
    return _telling(reasons.sort_values("times", ascending=False), list(reasons.columns))


def experiments(frame: pd.DataFrame, task: Task, values: Mapping[str, str | float]) -> Table:
    """Return the experiments with these values, newest first; a text may be part of a column's."""
    chosen = frame.set_index("number")
    for name, value in values.items():
        if name not in chosen:
            raise InputError(f"no column {name!r}; there are: {', '.join(map(str, chosen))}")
        if isinstance(value, str) and is_string_dtype(chosen[name]):
            chosen = chosen[chosen[name].str.contains(value, case=False, regex=False)]
        else:
            chosen = chosen[chosen[name] == value]
    chosen = _with_approvals(chosen)
    others = [column(name) for name in task.decisive[1:] if column(name) in frame]
    columns = ["status", "reason", *_scores(task.objective), *DELTA, *others, *BY_WHOM]
    return _telling(chosen.iloc[::-1], columns)


def slots(times: Sequence[SlotTime], state: State | None) -> Table:
    """Return what each slot did; how long it was idle, if the campaign's state is here."""
    uses = state.slots if state else ()
    idle = {use.slot.name: idle_seconds(use, state.heartbeat) for use in uses if state}
    rows = [
        {
            "slot": each.name or "the device",
            "runs": each.runs,
            "training_hours": each.training / 3600,
            "busy_hours": each.busy / 3600,
            "percent": 100 * each.training_share,
            "idle_seconds": idle.get(each.name),
        }
        for each in times
    ]
    table = pd.DataFrame(rows).set_index("slot")
    return _telling(table.astype({"idle_seconds": "float64"}), list(table.columns))


def confirmed(keeps: Sequence[KeepFound]) -> Table:
    """Return what a confirmation found of each keep."""
    rows = [vars(keep) | (_worth(keep.worth) if keep.worth else {}) for keep in keeps]
    return _telling(pd.DataFrame(rows, columns=CONFIRMED).set_index("number"), CONFIRMED[1:])


def _with_approvals(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with reasons that say which keeps no person has approved."""
    notes = frame["held"].map({True: ", rejected", False: ""})
    notes = notes.where(~frame["waits"], ", waits for approval")
    return frame.assign(reason=frame["reason"] + notes)


def _worth(worth: Worth) -> dict[str, float]:
    return {"worth": worth.value, "worth_se": worth.error, "helps": worth.helps}


def _scores(metric: Metric) -> list[str]:
    name = column(metric.name)
    return [name, f"{name}_se", "scores"]


def _telling(frame: pd.DataFrame, columns: list[str]) -> Table:
    """Return these columns, without those that tell nothing; errors mark numbers to be shown."""
    errors = {name for name in columns if name.endswith("_se")}
    shown = {name.removesuffix("_se") for name in errors}
    hidden = {
        name
        for name in columns
        if len(frame) and name not in shown and (frame[name].isna() | frame[name].eq("")).all()
    }
    if "scores" in frame and not (frame["scores"] > 1).any():
        hidden.add("scores")
    if "weaker" in frame and not frame["weaker"].any():
        hidden.add("sandbox")
    if "trusted" in frame and not frame["trusted"].any():
        hidden.add("trusted")
    return Table(frame[[name for name in columns if name not in hidden]])
