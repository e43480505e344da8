"""Campaigns compared: how far each came, by experiments, hours or dollars."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from autoresearch_kit.records import Verdict
from autoresearch_kit.reports.figures.drawing import (
    Drawing,
    Missing,
    drawable,
    dress,
    shorten,
    spell_out,
)
from autoresearch_kit.reports.figures.loss_curves import COLOURS
from autoresearch_kit.reports.rows import OBJECTIVE

_NAME = 60  # characters of a group's name at most
_SHORT = 36  # characters of names that fit side by side
_STYLES = ("-", "--", ":")  # once the colours are used up


class Against(StrEnum):
    """The x axis of a comparison."""

    EXPERIMENTS = "experiments"
    HOURS = "hours"
    USD = "usd"


_AXIS = {
    Against.EXPERIMENTS: "experiments after the baseline",
    Against.HOURS: "hours since the baseline",
    Against.USD: "US dollars spent on the language model since the baseline",
}
_LACKING = {
    Against.EXPERIMENTS: "no score",
    Against.HOURS: "no times recorded",
    Against.USD: "no cost known",
}
_NOTHING = {
    Against.EXPERIMENTS: "Nothing to compare: no experiment has a score yet.",
    Against.HOURS: "Nothing to compare by hours: no times are recorded.",
    Against.USD: "Nothing to compare by cost: no campaign here has spent a known sum on a language "
    "model (it is known where --usd-in and --usd-out gave the prices).",
}


@dataclass(frozen=True)
class Group:
    """A campaign, or several repeats of one; `frames` are as `tables.to_frame` makes them."""

    name: str
    frames: Sequence[pd.DataFrame]


def compare(
    groups: Sequence[Group],
    against: Against = Against.EXPERIMENTS,
    *,
    size: tuple[float, float] = (12.0, 5.0),
) -> Drawing | Missing:
    """Draw the best so far of several campaigns, each in bits per byte below its own baseline.

    Several frames in a group are repeats: the line is their median, the band reaches from the least
    to the most, both up to where the shortest ends. Against dollars, a group that spent none is a
    level line. A group that has no values for `against` is named under the plot; where none has,
    a sentence says so. `size` is in inches.
    """
    curves = [_curves(group, against) for group in groups]
    ends = [float(curve["x"].iloc[-1]) for found in curves for curve in found]
    if not ends or (against is Against.USD and max(ends) == 0):
        return Missing(_NOTHING[against])
    figure = Drawing(size)
    axes = figure.add_subplot()
    for at, (group, found) in enumerate(zip(groups, curves, strict=True)):
        if found:
            style = _STYLES[at // len(COLOURS) % len(_STYLES)]
            _draw(axes, _label(group, len(found)), found, COLOURS[at % len(COLOURS)], style)
    lacking = [group.name for group, found in zip(groups, curves, strict=True) if not found]
    note = f"\n(left out, {_LACKING[against]}: {', '.join(lacking)})" if lacking else ""
    below = f"{OBJECTIVE} below the baseline (higher is better)"
    dress(axes, drawable(_AXIS[against] + note), below)
    axes.margins(x=0.01)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    _draw_legend(figure, axes)
    return figure


def _label(group: Group, count: int) -> str:
    name = drawable(shorten(group.name, _NAME))
    return name if count == 1 else f"{name} (median and range of {count})"


def _curves(group: Group, against: Against) -> list[pd.DataFrame]:
    found = [_curve(frame, against) for frame in group.frames]
    return [curve for curve in found if len(curve)]


def _curve(frame: pd.DataFrame, against: Against) -> pd.DataFrame:
    """Return `x` and the gain over the baseline at each experiment for which both are known."""
    kept = frame[OBJECTIVE].where(frame["status"] == Verdict.KEEP)
    gain = kept.bfill().iloc[0] - kept.ffill()
    return pd.DataFrame({"x": _x(frame, against), "gain": gain}).dropna()


def _x(frame: pd.DataFrame, against: Against) -> pd.Series:
    if against is Against.EXPERIMENTS:
        return frame["number"].astype("float64")
    if against is Against.HOURS:
        since: pd.Series = (frame["finished"] - frame["finished"].iloc[0]).dt.total_seconds() / 3600
        return since
    if frame["usd"].isna().all() and not (frame["requests"] == 0).all():
        return frame["usd"]
    spent: pd.Series = frame["usd"].fillna(0.0).cumsum()
    return spent.sub(float(spent.iloc[0]))


def _draw(axes: Axes, label: str, curves: Sequence[pd.DataFrame], colour: str, style: str) -> None:
    x = _common_x(curves)
    gains = np.stack([_gain_at(curve, x) for curve in curves])
    middle = np.median(gains, axis=0)
    if x[-1] == 0 and len(curves[0]) > 1:
        axes.axhline(
            middle[-1], color=colour, lw=1.5, ls="--", label=f"{label}, which spent nothing"
        )
        return
    if len(curves) > 1:
        low, high = gains.min(axis=0), gains.max(axis=0)
        axes.fill_between(x, low, high, step="post", color=colour, alpha=0.18, lw=0)
    axes.step(x, middle, where="post", color=colour, ls=style, lw=2, label=label)
    axes.plot(x[-1:], middle[-1:], "o", color=colour, ms=5)


def _common_x(curves: Sequence[pd.DataFrame]) -> np.ndarray:
    """Return every x at which a curve has a point, up to where the shortest ends."""
    end = min(float(curve["x"].iloc[-1]) for curve in curves)
    x = np.unique(np.concatenate([curve["x"].to_numpy() for curve in curves]))
    return x[x <= end]


def _gain_at(curve: pd.DataFrame, x: np.ndarray) -> np.ndarray:
    """Return the gain at each `x`: that of the last experiment up to there."""
    places = np.searchsorted(curve["x"].to_numpy(), x, side="right") - 1
    return curve["gain"].to_numpy()[np.maximum(places, 0)]


def _draw_legend(figure: Figure, axes: Axes) -> None:
    """Draw the legend above the plot, side by side where the names are short."""
    handles, labels = axes.get_legend_handles_labels()
    ncols = 3 if max(map(len, labels)) <= _SHORT else 1
    spell_out(figure.legend(handles, labels, loc="outside upper left", frameon=False, ncols=ncols))
