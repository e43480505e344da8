"""The marks of experiments in the picture of a campaign, and the line of the best so far."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from autoresearch_kit.records import Metric, Noise, Reason, SandboxLevel, Verdict
from autoresearch_kit.reports.figures.drawing import (
    BAND,
    BAND_EDGE,
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    VERMILLION,
)
from autoresearch_kit.reports.figures.score_scale import floor, half_bands
from autoresearch_kit.reports.figures.x_axis import LABELS, Against
from autoresearch_kit.reports.tables import leading

TRADED, UNAPPROVED = "kept as a trade-off", "kept, not approved"
OUT_OF_BOUNDS = "out of bounds"
HOLLOW = (TRADED, UNAPPROVED, OUT_OF_BOUNDS)
"""Kinds of marks that are rings, and are explained only where there are any."""


def draw_unscored(axes: Axes, unscored: pd.DataFrame, by: Against) -> None:
    """Draw a cross for each crash, and an open diamond where the machine was disturbed."""
    disturbed = unscored["status"] == Verdict.DISTURBED
    crashed, waits = unscored["x"][~disturbed], unscored["x"][disturbed]
    axes.plot(crashed, np.zeros(len(crashed)), "x", color=VERMILLION, ms=6, mew=1.6)
    if len(waits):
        label = "disturbed: the machine was busy, not judged"
        axes.plot(
            waits, np.zeros(len(waits)), "D", mfc="none", mec=BLUE, ms=5, mew=1.3, label=label
        )
    axes.set_ylim(-1, 1)
    axes.set_yticks([0], labels=["no score" if len(waits) else "crash"])
    axes.tick_params(axis="y", length=0, labelcolor=INK if len(waits) else VERMILLION)
    axes.set(xlabel=LABELS[by], facecolor="#FBF3EE")
    axes.spines[["top", "right"]].set_visible(False)


def draw_scores(
    axes: Axes, scored: pd.DataFrame, noise: Noise | None, shown: pd.Series, metric: Metric
) -> None:
    """Draw a mark for each score, a triangle for one that is not `shown`, and the best so far."""
    size = _mark_size(scored)
    for name, (rows, colour, ms) in _kinds(scored, size).items():
        marks, beyond = rows[shown[rows.index]], rows[~shown[rows.index]]
        hollow = {"mfc": "white", "mec": colour, "mew": 1.3} if name in HOLLOW else {"mec": "white"}
        order = 4.0 if colour == GREEN else 2.0
        axes.plot(
            marks["x"], marks["score"], "o", color=colour, ms=ms, zorder=order, label=name, **hollow
        )
        if noise is None or noise.sigma:  # of a single run the band tells the error
            marks = marks[marks["scores"] > 1]
        _draw_errors(axes, marks, colour)
        if len(beyond):
            _draw_beyond(axes, beyond, colour, metric)
    if len(best := scored[leading(scored)]):
        _draw_best(axes, best, noise, metric)


def _kinds(scored: pd.DataFrame, size: float) -> dict[str, tuple[pd.DataFrame, str, float]]:
    """Return the experiments by the word of the legend, with colour and size of their marks."""
    kept, reason = scored["status"] == Verdict.KEEP, scored["reason"]
    held, broke = kept & scored["held"], reason == Reason.OUT_OF_BOUNDS
    traded = kept & ~held & (reason == Reason.TRADE_OFF)
    kinds = {
        "kept": (scored[kept & ~held & ~traded], GREEN, 1.4 * size),
        TRADED: (scored[traded], BLUE, 1.2 * size),
        UNAPPROVED: (scored[held], GREEN, 1.2 * size),
        "discarded": (scored[~kept & ~broke], GREY, size),
        OUT_OF_BOUNDS: (scored[broke], ORANGE, size),
    }
    return {name: kind for name, kind in kinds.items() if len(kind[0])}


def _draw_errors(axes: Axes, marks: pd.DataFrame, colour: str) -> None:
    known = marks[marks["score_se"] > 0]
    if len(known):
        x, y, errors = known["x"], known["score"], known["score_se"]
        bars = axes.errorbar(x, y, errors, fmt="none", ecolor=colour, elinewidth=1.4, capsize=2.5)
        bars.set_label("mean ± standard error")


def _draw_beyond(axes: Axes, beyond: pd.DataFrame, colour: str, metric: Metric) -> None:
    """Draw scores that are worse than any shown as triangles at the edge where they would be."""
    worse_above = metric.sign > 0
    height, mark = (0.985, "^") if worse_above else (0.015, "v")
    farthest = beyond["score"].max() if worse_above else beyond["score"].min()
    label = f"{len(beyond)} off the scale, {'up' if worse_above else 'down'} to {farthest:.4g}"
    heights = np.full(len(beyond), height)
    [line] = axes.plot(beyond["x"], heights, mark, color=colour, ms=7, label=label)
    line.set(transform=axes.get_xaxis_transform(), clip_on=False)


def _mark_size(scored: pd.DataFrame) -> float:
    """Return the size of marks in points: smaller ones where there are many."""
    return float(np.clip(16 / max(1, len(scored)) ** 0.25, 3.5, 7))


def _draw_best(axes: Axes, keeps: pd.DataFrame, noise: Noise | None, metric: Metric) -> None:
    """Draw the best so far from keep to keep, and its band, to the edge of the plot."""
    places = np.append(keeps["x"].cummax(), axes.get_xlim()[1])
    values = np.append(keeps["score"], keeps["score"].iloc[-1])
    axes.step(places, values, where="post", color=GREEN, lw=1.8, zorder=3)
    if noise is None or not noise.sigma:
        return
    heights = half_bands(keeps, noise)
    heights = np.append(heights, heights[-1])
    lowest = np.maximum(values - heights, floor(metric))
    band = axes.fill_between(places, lowest, values + heights, step="post", zorder=0.5)
    band.set(facecolor=BAND, edgecolor=BAND_EDGE, lw=0.7)
    band.set_label("19 of 20 runs of the best fall here")


def draw_rings(axes: list[Axes], frame: pd.DataFrame, scale: tuple[float, float]) -> None:
    """Draw a ring around each experiment that ran in a weaker sandbox."""
    weak = frame[frame["weaker"]]
    if weak.empty:
        return
    levels = set(weak["sandbox"])
    label = f"sandbox: {', '.join(level for level in SandboxLevel if level in levels)}"
    shown, unscored = weak[weak["score"].between(*scale)], weak[weak["score"].isna()]
    size = _mark_size(frame) + 6
    lines = axes[0].plot(shown["x"], shown["score"], "o", ms=size, label=label)
    lines += axes[-1].plot(unscored["x"], np.zeros(len(unscored)), "o", ms=12, label=label)
    for line in lines:
        line.set(mfc="none", mec=PURPLE, mew=1.3, zorder=4.5)
