"""Loss curves of runs, one over another."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes

from autoresearch_kit.execution.live import Point, read_points
from autoresearch_kit.reports.figures.drawing import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    Drawing,
    drawable,
    dress,
    shorten,
    spell_out,
)

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION)
"""In an order in which neighbours differ most."""

_NAME = 70  # characters of a curve's name at most

_SETTLED = 0.1  # of a curve; what lies before starts so high that it would flatten the rest


def read_curve(lines: bytes) -> pd.DataFrame:
    """Return the loss curve in the lines of a `metrics.jsonl`, with the fields of `Point`."""
    return curve_of(read_points(lines))


def curve_of(points: Sequence[Point]) -> pd.DataFrame:
    """Return these points as a frame, a row each."""
    columns = {name: [getattr(point, name) for point in points] for name in Point.__annotations__}
    return pd.DataFrame(columns).astype({"seconds": "float64", "loss": "float64"})


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
    drawn = {name: curve for name, curve in curves.items() if len(curve)}
    smooth = {name: _smooth(curve) for name, curve in drawn.items()}
    for at, (name, curve) in enumerate(drawn.items()):
        colour, label = COLOURS[at % len(COLOURS)], drawable(shorten(name, _NAME))
        axes.plot(curve["seconds"], curve["loss"], color=colour, alpha=0.25, lw=0.8)
        axes.plot(curve["seconds"], smooth[name], color=colour, lw=1.8, label=label)
    dress(axes, "training seconds", "training loss, nats per token")
    axes.set_title(drawable(title), loc="left", fontsize=13, fontweight="bold", parse_math=False)
    longest = max((float(curve["seconds"].iloc[-1]) for curve in drawn.values()), default=0.0)
    if seconds:
        axes.set_xlim(0.0, max(seconds, longest))
    if drawn:
        _limit(axes, smooth)
        spell_out(axes.legend(frameon=False, fontsize=10))
    else:
        axes.text(0.5, 0.5, "no loss yet", transform=axes.transAxes, ha="center", color=GREY)
    return figure


def _smooth(curve: pd.DataFrame) -> pd.Series:
    window = max(3, len(curve) // 40)
    return curve["loss"].rolling(window, center=True, min_periods=1).median()


def _limit(axes: Axes, smooth: Mapping[str, pd.Series]) -> None:
    low = min(float(losses.min()) for losses in smooth.values())
    high = max(float(losses.iloc[int(_SETTLED * len(losses))]) for losses in smooth.values())
    margin = 0.1 * (high - low) or 0.05
    axes.set_ylim(low - margin, high + margin)
