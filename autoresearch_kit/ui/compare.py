"""Campaigns over each other: how far each came, by experiments, hours or dollars."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from autoresearch_kit.records import Verdict
from autoresearch_kit.ui.drawing import Drawing
from autoresearch_kit.ui.loss_curves import COLOURS

POINTS = 400
"""Places along the x axis at which repeats are compared."""


class Against(StrEnum):
    """What a gain is held against."""

    EXPERIMENTS = "experiments"
    HOURS = "hours"
    USD = "usd"


_AXIS = {
    Against.EXPERIMENTS: "experiments after the baseline",
    Against.HOURS: "hours since the baseline",
    Against.USD: "US dollars spent on the language model",
}


def compare(
    groups: Mapping[str, Sequence[pd.DataFrame]],
    against: Against = Against.EXPERIMENTS,
    *,
    size: tuple[float, float] = (12.0, 5.0),
) -> Drawing:
    """The best so far of several campaigns, each in bits per byte below its own baseline.

    `groups` are frames as `to_frame` makes them, by what they are to be called. Where a group has
    several, they are repeats: the line is their median, the band reaches from the least to the
    most. Where a group ends, its line does. `size` is in inches, at 100 pixels each.
    """
    figure = Drawing(size, constrained=True)
    axes = figure.add_subplot()
    for at, (name, frames) in enumerate(groups.items()):
        curves = [_curve(frame, against) for frame in frames]
        _draw([curve for curve in curves if len(curve)], axes, name, COLOURS[at % len(COLOURS)])
    _dress(axes, against)
    return figure


def _curve(frame: pd.DataFrame, against: Against) -> pd.DataFrame:
    """`x` and the gain over the baseline at each experiment; empty without a scored baseline."""
    keeps = frame[(frame["status"] == Verdict.KEEP) & frame["val_bpb"].notna()]
    if keeps.empty:
        return pd.DataFrame({"x": [], "gain": []})
    best = frame["val_bpb"].where(frame["status"] == Verdict.KEEP).ffill()
    gain = float(keeps["val_bpb"].iloc[0]) - best
    return pd.DataFrame({"x": _x(frame, against), "gain": gain}).dropna()


def _x(frame: pd.DataFrame, against: Against) -> pd.Series:
    if against is Against.EXPERIMENTS:
        return frame["number"].astype("float64")
    if against is Against.HOURS:
        since: pd.Series = (frame["finished"] - frame["finished"].iloc[0]).dt.total_seconds() / 3600
        return since
    spent: pd.Series = frame["usd"].fillna(0.0).cumsum()
    return spent


def _draw(curves: Sequence[pd.DataFrame], axes: Axes, name: str, colour: str) -> None:
    if not curves:
        return
    label = name if len(curves) == 1 else f"{name} ({len(curves)} campaigns)"
    if len(curves) == 1:
        axes.step(curves[0]["x"], curves[0]["gain"], where="post", color=colour, lw=2, label=label)
        return
    x = np.linspace(0.0, min(float(curve["x"].iloc[-1]) for curve in curves), POINTS)
    gains = np.stack([_at(curve, x) for curve in curves])
    axes.fill_between(x, gains.min(axis=0), gains.max(axis=0), color=colour, alpha=0.18, lw=0)
    axes.step(x, np.median(gains, axis=0), where="post", color=colour, lw=2, label=label)


def _at(curve: pd.DataFrame, x: np.ndarray) -> np.ndarray:
    """The gain at each `x`: that of the last experiment up to there."""
    places = np.searchsorted(curve["x"].to_numpy(), x, side="right") - 1
    return curve["gain"].to_numpy()[np.maximum(places, 0)]


def _dress(axes: Axes, against: Against) -> None:
    axes.set_xlabel(_AXIS[against])
    axes.set_ylabel("val_bpb below the baseline (higher is better)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E6E6E6", lw=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.01)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    if axes.lines:
        axes.legend(frameon=False, fontsize=10, loc="upper left")
    else:
        axes.text(0.5, 0.5, "no score yet", transform=axes.transAxes, ha="center", color="#8C8C8C")
