"""Loss curves of runs, one over the other."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes

from autoresearch_kit.execution.live import Point, read_points
from autoresearch_kit.reports.figures.drawing import Drawing, drawable, shorten, spell_out

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
"""Okabe and Ito's, in an order in which neighbours differ most."""

_NAME = 70  # characters of a curve's name at most

_SETTLED = 0.1  # of a curve; what lies before starts so high that it would flatten the rest


def read_curve(lines: bytes) -> pd.DataFrame:
    """The loss curve in the lines of a `metrics.jsonl`: `step`, `seconds`, `loss`, `tokens`."""
    points = read_points(lines)
    columns = {name: [getattr(point, name) for point in points] for name in Point.__annotations__}
    return pd.DataFrame(columns).astype({"seconds": "float64", "loss": "float64"})


def loss_curves(
    curves: Mapping[str, pd.DataFrame], *, title: str = "", size: tuple[float, float] = (12.0, 4.5)
) -> Drawing:
    """Training loss against training seconds, smoothed, with the raw values faint behind.

    `curves` are `read_curve`'s frames by what they are to be called. `size` is in inches, at 100
    pixels each.
    """
    figure = Drawing(size, constrained=True)
    axes = figure.add_subplot()
    drawn = {name: curve for name, curve in curves.items() if len(curve)}
    smooth = {name: _smooth(curve) for name, curve in drawn.items()}
    for at, (name, curve) in enumerate(drawn.items()):
        colour, label = COLOURS[at % len(COLOURS)], drawable(shorten(name, _NAME))
        axes.plot(curve["seconds"], curve["loss"], color=colour, alpha=0.25, lw=0.8)
        axes.plot(curve["seconds"], smooth[name], color=colour, lw=1.8, label=label)
    _dress(axes, title)
    if drawn:
        _limit(axes, smooth)
        spell_out(axes.legend(frameon=False, fontsize=10))
    else:
        axes.text(0.5, 0.5, "no loss yet", transform=axes.transAxes, ha="center", color="#8C8C8C")
    return figure


def _smooth(curve: pd.DataFrame) -> pd.Series:
    window = max(3, len(curve) // 40)
    return curve["loss"].rolling(window, center=True, min_periods=1).mean()


def _limit(axes: Axes, smooth: Mapping[str, pd.Series]) -> None:
    low = min(float(losses.min()) for losses in smooth.values())
    high = max(float(losses.iloc[int(_SETTLED * len(losses))]) for losses in smooth.values())
    margin = 0.1 * (high - low) or 0.05
    axes.set_ylim(low - margin, high + margin)


def _dress(axes: Axes, title: str) -> None:
    axes.set_title(drawable(title), loc="left", fontsize=13, fontweight="bold", parse_math=False)
    axes.set_xlabel("training seconds")
    axes.set_ylabel("training loss, nats per token")
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
