"""Campaigns over each other: how far each came, by experiments, hours or dollars."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from autoresearch_kit.records import Verdict
from autoresearch_kit.reports.figures.drawing import Drawing, drawable, shorten, spell_out
from autoresearch_kit.reports.figures.loss_curves import COLOURS
from autoresearch_kit.reports.figures.missing import Missing

_NAME = 60  # characters of a group's name at most
_SHORT = 36  # characters of names that fit side by side
_STYLES = ("-", "--", ":")  # once the colours are used up


class Against(StrEnum):
    """What a gain is held against."""

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
    """A campaign, or several that are repeats of one; `frames` are such as `to_frame` makes."""

    name: str
    frames: Sequence[pd.DataFrame]


def compare(
    groups: Sequence[Group],
    against: Against = Against.EXPERIMENTS,
    *,
    size: tuple[float, float] = (12.0, 5.0),
) -> Drawing | Missing:
    """The best so far of several campaigns, each in bits per byte below its own baseline.

    Where a group has several frames, they are repeats: the line is their median, the band reaches
    from the least to the most, both up to where the shortest ends. Against dollars, a group that
    spent none is a level line at what it reached. A group that can't be held against `against` is
    named under the plot; where none can, that is said instead. `size` is in inches.
    """
    curves = [_curves(group, against) for group in groups]
    ends = [float(curve["x"].iloc[-1]) for found in curves for curve in found]
    if not ends or (against is Against.USD and max(ends) == 0):
        return Missing(_NOTHING[against])
    figure = Drawing(size, constrained=True)
    axes = figure.add_subplot()
    for at, (group, found) in enumerate(zip(groups, curves, strict=True)):
        if found:
            style = _STYLES[at // len(COLOURS) % len(_STYLES)]
            _draw(axes, _label(group, len(found)), found, COLOURS[at % len(COLOURS)], style)
    lacking = [group.name for group, found in zip(groups, curves, strict=True) if not found]
    _dress(axes, against, lacking)
    _draw_legend(figure, axes)
    return figure


def _label(group: Group, count: int) -> str:
    name = drawable(shorten(group.name, _NAME))
    return name if count == 1 else f"{name} (median and range of {count})"


def _curves(group: Group, against: Against) -> list[pd.DataFrame]:
    found = [_curve(frame, against) for frame in group.frames]
    return [curve for curve in found if len(curve)]


def _curve(frame: pd.DataFrame, against: Against) -> pd.DataFrame:
    """`x` and the gain over the baseline at each experiment; empty where one is not known."""
    kept = frame["val_bpb"].where(frame["status"] == Verdict.KEEP)
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
    x = _places(curves)
    gains = np.stack([_at(curve, x) for curve in curves])
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


def _places(curves: Sequence[pd.DataFrame]) -> np.ndarray:
    """Where any of them has a point, up to where the shortest ends."""
    end = min(float(curve["x"].iloc[-1]) for curve in curves)
    x = np.unique(np.concatenate([curve["x"].to_numpy() for curve in curves]))
    return x[x <= end]


def _at(curve: pd.DataFrame, x: np.ndarray) -> np.ndarray:
    """The gain at each `x`: that of the last experiment up to there."""
    places = np.searchsorted(curve["x"].to_numpy(), x, side="right") - 1
    return curve["gain"].to_numpy()[np.maximum(places, 0)]


def _draw_legend(figure: Figure, axes: Axes) -> None:
    """Above the plot, where it covers nothing; side by side where the names are short."""
    handles, labels = axes.get_legend_handles_labels()
    ncols = 3 if max(map(len, labels)) <= _SHORT else 1
    spell_out(figure.legend(handles, labels, loc="outside upper left", frameon=False, ncols=ncols))


def _dress(axes: Axes, against: Against, lacking: Sequence[str]) -> None:
    note = f"\n(left out, {_LACKING[against]}: {', '.join(lacking)})" if lacking else ""
    axes.set_xlabel(drawable(_AXIS[against] + note), parse_math=False)
    axes.set_ylabel("val_bpb below the baseline (higher is better)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E6E6E6", lw=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.01)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
