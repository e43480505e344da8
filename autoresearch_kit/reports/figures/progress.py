"""The picture of a campaign: every experiment a mark, the running best as a falling line."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from autoresearch_kit.records import Noise, Verdict
from autoresearch_kit.reports.figures import uncertainty
from autoresearch_kit.reports.figures.colours import BLUE, GREEN, GREY, INK, VERMILLION
from autoresearch_kit.reports.figures.drawing import Drawing, drawable, shorten
from autoresearch_kit.reports.figures.heading import (
    ROW,
    SMALL,
    captions_of,
    draw_head,
    draw_legend,
    draw_row,
)
from autoresearch_kit.reports.figures.labels import Labels, Point, place_labels
from autoresearch_kit.reports.tables import weaker

LABELS = 24
"""Keeps that are labelled at most: those with the largest gains, and the last."""

LENGTHS = ((8, 60), (LABELS, 34))
"""How many characters a label has at most when there are up to so many labels."""

_LINE = 15.0  # pixels of a line of text at 100 dpi
_ALONE = 0.01  # bits per byte shown around a lone score
_GAP = 3.0  # pixels between a leader and its label


@dataclass(frozen=True)
class Scale:
    """The values that the y axis shows; higher ones are drawn at its upper edge."""

    low: float
    high: float


def progress(
    frame: pd.DataFrame,
    noise: Noise | None = None,
    *,
    title: str = "",
    size: tuple[float, float] = (12.0, 6.0),
) -> Drawing:
    """The picture of a campaign: every experiment a mark, the running best as a step line.

    With a `noise` the line has a band: where another run of the best would fall, 19 times of 20.
    `frame` has a row per experiment with the columns `number`, `status` (keep, discard, crash,
    disturbed), `val_bpb` (NaN for a crash and where it was not judged), its `error`, `scores`,
    `sandbox` and `idea`, as `to_frame` makes them. `size` is in inches, at 100 pixels each.
    """
    figure = Drawing(size)
    unscored = frame[frame["val_bpb"].isna()]
    scored = frame[frame["val_bpb"].notna()]
    sureness = uncertainty.legend_of(frame, noise)
    axes = _axes(figure, strip=len(unscored) > 0, row=len(sureness) > 0)
    main = axes[0]
    _limit_x(main, frame)
    if len(unscored):
        _draw_unscored(axes[1], unscored, frame)
    if len(scored):
        _draw_scores(main, frame, noise)
    else:
        main.set_yticks([])
        main.text(0.5, 0.5, "no score yet", transform=main.transAxes, ha="center", color=GREY)
    axes[-1].set_xlabel("experiment")
    main.set_ylabel("val_bpb (lower is better)")
    draw_head(figure, title, captions_of(frame))
    if len(scored):
        draw_legend(figure, len(scored[scored["val_bpb"] > find_scale(scored).high]), scored)
    if sureness:
        draw_row(figure, sureness)
    return figure


def _axes(figure: Figure, *, strip: bool, row: bool) -> list[Axes]:
    """The plot, under it a strip for what has no score if need be; at fixed places in pixels."""
    width, height = figure.get_size_inches() * figure.dpi
    left, right, top, bottom, edge = 80, 20, 66 + row * ROW, 50, 30 if strip else 0
    frame = (left / width, (bottom + edge) / height, 1 - (left + right) / width)
    main = figure.add_axes((*frame, 1 - (top + bottom + edge) / height))
    main.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12, steps=[1, 2, 5, 10]))
    main.tick_params(labelsize=SMALL + 1)
    main.grid(axis="y", color="#E6E6E6", linewidth=0.8)
    main.set_axisbelow(True)
    main.spines[["top", "right"]].set_visible(False)
    if not strip:
        return [main]
    below = figure.add_axes((frame[0], bottom / height, frame[2], (edge - 6) / height), sharex=main)
    main.tick_params(labelbottom=False, length=0, axis="x")
    below.tick_params(labelsize=SMALL + 1)
    below.spines[["top", "right"]].set_visible(False)
    return [main, below]


def _limit_x(axes: Axes, frame: pd.DataFrame) -> None:
    last = max(int(frame["number"].max()), 1) if len(frame) else 1
    margin = last * 0.015
    axes.set_xlim(-margin, last + margin)


def _draw_unscored(axes: Axes, unscored: pd.DataFrame, frame: pd.DataFrame) -> None:
    """Draw a cross for each crash, and an open diamond where the machine was disturbed."""
    disturbed = unscored["status"] == Verdict.DISTURBED
    crashed, waits = unscored["number"][~disturbed], unscored["number"][disturbed]
    axes.plot(crashed, np.zeros(len(crashed)), "x", color=VERMILLION, ms=6, mew=1.6)
    axes.plot(waits, np.zeros(len(waits)), "D", mfc="none", mec=BLUE, ms=5, mew=1.3)
    ringed = unscored["number"][weaker(frame)[unscored.index]]
    uncertainty.draw_rings(axes, ringed, np.zeros(len(ringed)), 6)
    axes.set_ylim(-1, 1)
    axes.set_yticks([0], labels=["no score" if len(waits) else "crash"])
    axes.tick_params(axis="y", length=0, labelcolor=INK if len(waits) else VERMILLION)
    axes.set_facecolor("#FBF3EE")


def _draw_scores(axes: Axes, frame: pd.DataFrame, noise: Noise | None) -> None:
    scored, last = frame[frame["val_bpb"].notna()], int(frame["number"].max())
    scale = find_scale(scored)
    on_scale = scored["val_bpb"] <= scale.high
    kept = scored["status"] == Verdict.KEEP
    size = float(np.clip(16 / len(scored) ** 0.25, 3.5, 7))
    shown = scored[kept & on_scale]
    wide = _with_band(scale, shown, noise) if noise else scale
    labelled, labels = _fit_labels(axes, _choose_labelled(axes, shown), wide)
    if noise:
        uncertainty.draw_band(axes, scored[kept], noise)
    _draw_best(axes, scored[kept], last)
    _draw_marks(axes, scored[~kept & on_scale], GREY, size)
    _draw_marks(axes, shown, GREEN, 1.4 * size)
    ringed = scored[on_scale & weaker(frame)[scored.index]]
    uncertainty.draw_rings(axes, ringed["number"], ringed["val_bpb"], size)
    _draw_outliers(axes, scored[~on_scale])
    _draw_labels(axes, labelled, labels)


def _draw_marks(axes: Axes, frame: pd.DataFrame, colour: str, size: float) -> None:
    order = 4 if colour == GREEN else 2
    uncertainty.draw_errors(axes, frame, colour, order - 0.5)
    axes.plot(
        frame["number"], frame["val_bpb"], "o", color=colour, ms=size, mec="white", zorder=order
    )


def find_scale(scored: pd.DataFrame) -> Scale:
    """The range of scores worth showing: a hopeless or broken one must not flatten the rest.

    Measured by the median's distance from the best: all scores up to 4 times that are shown, and
    keeps up to 10 times, since the way down is what the picture is about.
    """
    scores = scored["val_bpb"]
    low = float(scores.min())
    spread = float(scores.median()) - low or float(scores.max()) - low
    keeps = scores[scored["status"] == Verdict.KEEP]
    near = [*scores[scores <= low + 4 * spread], *keeps[keeps <= low + 10 * spread]]
    high = max(near)
    return Scale(low, high) if high > low else Scale(low - _ALONE, high + _ALONE)


def _with_band(scale: Scale, keeps: pd.DataFrame, noise: Noise) -> Scale:
    """The scale with room for the band around these keeps."""
    heights = uncertainty.reaches(keeps, noise)
    low, high = keeps["val_bpb"] - heights, keeps["val_bpb"] + heights
    return Scale(min([scale.low, *low]), max([scale.high, *high]))


def _draw_best(axes: Axes, keeps: pd.DataFrame, last: int) -> None:
    if len(keeps):
        numbers = [*keeps["number"], max(last, int(keeps["number"].iloc[-1]))]
        values = [*keeps["val_bpb"], keeps["val_bpb"].iloc[-1]]
        axes.step(numbers, values, where="post", color=GREEN, lw=1.8, zorder=3)


def _draw_outliers(axes: Axes, outliers: pd.DataFrame) -> None:
    """Triangles at the upper edge."""
    edge = axes.get_xaxis_transform()
    for status, colour in ((Verdict.KEEP, GREEN), (Verdict.DISCARD, GREY)):
        found = outliers[outliers["status"] == status]
        heights = np.full(len(found), 0.985)
        axes.plot(found["number"], heights, "^", color=colour, ms=7, transform=edge, clip_on=False)


def _choose_labelled(axes: Axes, keeps: pd.DataFrame) -> pd.DataFrame:
    """The keeps to be labelled, with their `gain`, `label` and its `width` in pixels."""
    gains = -keeps["val_bpb"].diff()
    chosen = set(gains.nlargest(LABELS - 2).index) | set(keeps.index[:1]) | set(keeps.index[-1:])
    found = keeps[keeps.index.isin(chosen)].assign(gain=gains.fillna(np.inf))
    length = next(length for many, length in LENGTHS if len(found) <= many)
    labels = [shorten(drawable(str(idea)), length) for idea in found["idea"]]
    return found.assign(label=labels, width=[_text_width(axes, label) for label in labels])


def _fit_labels(axes: Axes, labelled: pd.DataFrame, scale: Scale) -> tuple[pd.DataFrame, Labels]:
    """Set the y axis so that it holds the scale and the labels; the least gains go unlabelled."""
    height = float(axes.bbox.height)
    below = above = 2 * _LINE
    while True:
        unit = (height - below - above) / (scale.high - scale.low)
        axes.set_ylim(scale.low - below / unit, scale.high + above / unit)
        labels = place_labels(_points(axes, labelled), float(axes.bbox.x0), _LINE)
        if not labels.placed:
            return labelled, labels
        under = max(0.0, float(axes.bbox.y0) + _LINE - labels.lowest)
        over = max(0.0, labels.highest + _LINE - float(axes.bbox.y1))
        if under + over < 1:
            return labelled, labels
        below, above = below + under, above + over
        if below + above > 0.6 * height:
            labelled = labelled.drop(index=labelled["gain"].idxmin())
            below = above = 2 * _LINE


def _points(axes: Axes, labelled: pd.DataFrame) -> list[Point]:
    places = axes.transData.transform(labelled[["number", "val_bpb"]].to_numpy(float))
    return [
        Point(float(x), float(y), float(width))
        for (x, y), width in zip(places, labelled["width"], strict=True)
    ]


def _text_width(axes: Axes, text: str) -> float:
    """Pixels, with the gap to the leader."""
    drawn = axes.text(0, 0, text, fontsize=SMALL, parse_math=False)
    width = drawn.get_window_extent().width
    drawn.remove()
    return float(width) + 2 * _GAP


def _draw_labels(axes: Axes, labelled: pd.DataFrame, labels: Labels) -> None:
    back = axes.transData.inverted()
    for label in labels.placed:
        row = labelled.iloc[label.index]
        x, y = float(row["number"]), float(row["val_bpb"])
        inset = label.left + (0 if label.below else 2 * _GAP)
        text_x, text_y = back.transform((inset, label.y))
        axes.plot([x, x], [y, text_y], color=GREEN, lw=0.6, alpha=0.6, zorder=3)
        text = axes.text(text_x, text_y, str(row["label"]), va="center", color=INK)
        text.set(fontsize=SMALL, zorder=5, parse_math=False)
        text.set_path_effects([withStroke(linewidth=3.5, foreground="white")])
