"""Loss curves of runs, drawn over one another."""

from collections.abc import Mapping, Sequence

import pandas as pd

from autoresearch_kit.execution.live import Point, read_points
from autoresearch_kit.reports.figures.drawing import COLOURS, GREY, Drawing, dress, shorten

_NAME = 70  # characters of a curve's name at most
_SETTLED = 0.1  # of a curve; what lies before starts so high that it would flatten the rest


def read_curve(lines: bytes) -> pd.DataFrame:
    """Return the loss curve in the lines of a `metrics.jsonl`, with the fields of `Point`."""
    return curve_of(read_points(lines))


def curve_of(points: Sequence[Point]) -> pd.DataFrame:
    """Return these points as a frame, a row each."""
    frame = pd.DataFrame(map(vars, points), columns=list(Point.__annotations__))
    return frame.astype({"seconds": "float64", "loss": "float64"})


def loss_curves(
    curves: Mapping[str, pd.DataFrame],
    *,
    title: str = "",
    size: tuple[float, float] = (12.0, 4.5),
    seconds: float = 0.0,
) -> Drawing:
    """Draw training loss against training seconds, smoothed, with the raw values faint behind.

    `curves` are `read_curve`'s frames by name. `size` is in inches, at 100 pixels each. The time
    axis is at least `seconds` long.
    """
    figure = Drawing(size)
    axes = figure.add_subplot()
    dress(axes, "training seconds", "training loss")
    axes.set_title(title, loc="left", fontsize=13, fontweight="bold")
    drawn = {shorten(name, _NAME): curve for name, curve in curves.items() if len(curve)}
    if not drawn:
        axes.text(0.5, 0.5, "no loss was logged", transform=axes.transAxes, ha="center", color=GREY)
        return figure
    lows, highs = [], []
    for at, (name, curve) in enumerate(drawn.items()):
        colour, window = COLOURS[at % len(COLOURS)], max(3, len(curve) // 40)
        smooth = curve["loss"].rolling(window, center=True, min_periods=1).median()
        axes.plot(curve["seconds"], curve["loss"], color=colour, alpha=0.25, lw=0.8)
        axes.plot(curve["seconds"], smooth, color=colour, lw=1.8, label=name)
        lows.append(smooth.min())
        highs.append(smooth.iloc[int(_SETTLED * len(curve))])
    margin = 0.1 * (max(highs) - min(lows)) or 0.05
    axes.set_ylim(min(lows) - margin, max(highs) + margin)
    if seconds:
        axes.set_xlim(0.0, max(seconds, *(curve["seconds"].iloc[-1] for curve in drawn.values())))
    axes.legend(frameon=False, fontsize=10)
    return figure
