"""How sure the picture of a campaign is: its band of noise, error bars, and weaker sandboxes.

The band says where one more run of the best's own code would fall, 19 times of 20. That is what a
mark has to be held against: one inside it is what luck alone does. Bars are of one standard error,
as the numbers beside val_bpb are everywhere.
"""

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import ArrayLike

from autoresearch_kit.records import Noise, SandboxLevel, Verdict
from autoresearch_kit.reports.figures.colours import BLUE, GREY, PURPLE
from autoresearch_kit.reports.tables import weaker
from autoresearch_kit.verdicts.noise import reach

_BAND = "#DDF1EA"
_BAND_EDGE = "#A8DBC9"


def reaches(keeps: pd.DataFrame, noise: Noise) -> np.ndarray:
    """Half the height of the band from each keep on, in bits per byte."""
    return np.array([reach(noise, int(scores)) for scores in keeps["scores"]])


def draw_band(axes: Axes, keeps: pd.DataFrame, noise: Noise) -> None:
    """The band around the line from each keep to the next, and to the edge of the plot."""
    if not len(keeps):
        return
    heights = reaches(keeps, noise)
    numbers, low, high = (
        np.append(values, end)
        for values, end in (
            (keeps["number"], axes.get_xlim()[1]),
            (keeps["val_bpb"] - heights, np.nan),
            (keeps["val_bpb"] + heights, np.nan),
        )
    )
    low[-1], high[-1] = low[-2], high[-2]
    axes.fill_between(numbers, low, high, step="post", color=_BAND, lw=0, zorder=0.5)
    for edge in (low, high):
        axes.step(numbers, edge, where="post", color=_BAND_EDGE, lw=0.7, zorder=0.6)


def draw_errors(axes: Axes, frame: pd.DataFrame, colour: str, order: float) -> None:
    """A bar on each mark that stands for several runs."""
    several = frame[_several(frame)]
    if several.empty:
        return
    axes.errorbar(
        several["number"],
        several["val_bpb"],
        several["error"],
        fmt="none",
        ecolor=colour,
        elinewidth=1.4,
        capsize=2.5,
        zorder=order,
    )


def draw_rings(axes: Axes, numbers: pd.Series, heights: ArrayLike, size: float) -> None:
    """A ring around each of these marks, of so many points."""
    axes.plot(numbers, heights, "o", mfc="none", mec=PURPLE, mew=1.3, ms=size + 6, zorder=4.5)


def legend_of(frame: pd.DataFrame, noise: Noise | None) -> list[Artist]:
    """What the band, the bars, the diamonds and the rings mean, as far as there are any."""
    found: list[Artist] = []
    if noise and (frame["status"] == Verdict.KEEP).any():
        words = "where 19 of 20 runs of the best fall"
        found.append(Patch(facecolor=_BAND, edgecolor=_BAND_EDGE, label=words))
    if _several(frame).any():
        bar = Line2D([], [], marker="|", color=GREY, ms=10, mew=1.4, ls="")
        bar.set_label("mean ± standard error")
        found.append(bar)
    if (frame["status"] == Verdict.DISTURBED).any():
        diamond = Line2D([], [], marker="D", mfc="none", mec=BLUE, mew=1.3, ms=5, ls="")
        diamond.set_label("disturbed: the machine was busy, not judged")
        found.append(diamond)
    if (rings := weaker(frame)).any():
        levels = ", ".join(level for level in SandboxLevel if level in set(frame["sandbox"][rings]))
        ring = Line2D([], [], marker="o", mfc="none", mec=PURPLE, mew=1.3, ms=9, ls="")
        ring.set_label(f"sandbox: {levels}")
        found.append(ring)
    return found


def _several(frame: pd.DataFrame) -> pd.Series:
    return (frame["scores"] > 1) & frame["error"].notna() & frame["val_bpb"].notna()
