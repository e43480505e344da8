"""The x axis of figures of campaigns: experiments, hours, device-hours or dollars."""

from enum import StrEnum

import pandas as pd


class Against(StrEnum):
    """The x axis of a figure of campaigns; each but the first is since the baseline."""

    EXPERIMENTS = "experiments"
    HOURS = "hours"
    DEVICE_HOURS = "device-hours"
    USD = "usd"


LABELS = {
    Against.EXPERIMENTS: "experiment",
    Against.HOURS: "hours since the baseline",
    Against.DEVICE_HOURS: "hours of all devices since the baseline",
    Against.USD: "US dollars spent on the language model since the baseline",
}

LACKING = {
    Against.EXPERIMENTS: "no score",
    Against.HOURS: "no times recorded",
    Against.DEVICE_HOURS: "no times recorded",
    Against.USD: "no cost known (it is where --usd-in and --usd-out give the prices)",
}
"""Words for what a campaign lacks that has no values on an axis."""


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the experiments in the order in which they finished; by number in a log."""
    return frame.sort_values("finished", kind="stable")


def x_of(frame: pd.DataFrame, against: Against) -> pd.Series:
    """Return each experiment's place on the axis, for a frame that is `in_order`.

    It is NaN where it was not recorded. Device-hours are those of all runs on all devices.
    """
    if against is Against.EXPERIMENTS:
        return frame["number"].astype("float64")
    if against is Against.HOURS:
        since: pd.Series = (frame["finished"] - frame["finished"].iloc[0]).dt.total_seconds() / 3600
        return since
    if against is Against.DEVICE_HOURS:
        if frame["finished"].isna().all():
            return pd.Series(float("nan"), frame.index)
        return _spent(frame["wall_seconds"].fillna(0.0) + frame["unscored_seconds"]) / 3600
    # a model was asked, and nobody gave its prices: that is not the same as nothing spent
    if frame["usd"].isna().all() and not (frame["requests"] == 0).all():
        return frame["usd"]
    return _spent(frame["usd"].fillna(0.0))


def _spent(each: pd.Series) -> pd.Series:
    """Return the sum up to each experiment, without the first."""
    spent: pd.Series = each.cumsum()
    return spent.sub(float(spent.iloc[0]))
