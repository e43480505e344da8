"""The picture of a campaign: every experiment a mark, the running best as a falling line.

The band around the line says where one more run of the best's own code would fall, 19 times out of
20: a mark inside it may be luck. Bars are one standard error long, like the numbers after ±
elsewhere.
"""

import numpy as np
import pandas as pd
from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from autoresearch_kit.records import Noise, Verdict
from autoresearch_kit.reports.figures.drawing import (
    BLUE,
    GREEN,
    GREY,
    INK,
    PURPLE,
    SMALL,
    VERMILLION,
    Drawing,
    count_experiments,
    drawable,
    dress,
    shorten,
)
from autoresearch_kit.reports.figures.heading import (
    BAND,
    BAND_EDGE,
    LEGEND_INCHES,
    ROW,
    captions_of,
    draw_head,
    draw_legend,
    legend_handles,
    several,
)
from autoresearch_kit.reports.rows import OBJECTIVE
from autoresearch_kit.tasks.lm.task import TASK
from autoresearch_kit.verdicts.noise import reach

LABELS = 24
"""At most so many keeps are labelled: those with the largest gains, the first and the last."""

LABEL_PIXELS = 20_000
"""A label needs so many square pixels of the plot, or the line is not seen for labels."""

LENGTHS = ((8, 60), (LABELS, 34))
"""How many characters a label has at most when there are up to so many labels."""

ALONE = 0.01
"""Bits per byte shown around a single score."""

ADJUSTMENTS = 60
"""Steps in which labels are moved apart."""

MARGIN = 0.12
"""Of the scale, above and below it: room for labels."""

STRIP = "#FBF3EE"


def progress(
    frame: pd.DataFrame,
    noise: Noise | None = None,
    *,
    title: str = "",
    size: tuple[float, float] = (12.0, 6.0),
) -> Drawing:
    """Draw every experiment as a mark and the running best as a step line.

    With a `noise` the line has a band. `frame` is as `tables.to_frame` makes it. `size` is in
    inches, at 100 pixels each.
    """
    figure = Drawing(size, constrained=False)
    scored, unscored = (frame[frame[OBJECTIVE].notna() == has] for has in (True, False))
    low, high = find_scale(scored, noise)
    handles = legend_handles(frame, scored[scored[OBJECTIVE] > high], noise)
    columns = min(len(handles), int(size[0] / LEGEND_INCHES))
    main, *strip = _axes(figure, -(-len(handles) // columns), strip=len(unscored) > 0)
    last = max(int(frame["number"].max()), 1) if len(frame) else 1
    main.set_xlim(-0.015 * last, 1.015 * last)
    if strip:
        _draw_unscored(strip[0], unscored)
    if len(scored):
        _draw_scores(main, scored, noise, high)
        margin = MARGIN * (high - low)
        main.set_ylim(low - margin, high + margin)
    else:
        main.set_yticks([])
        main.text(0.5, 0.5, "no score yet", transform=main.transAxes, ha="center", color=GREY)
    draw_head(figure, title, captions_of(frame))
    draw_legend(figure, handles, columns)
    _label_keeps(main, scored[(scored["status"] == Verdict.KEEP) & (scored[OBJECTIVE] <= high)])
    return figure


def _axes(figure: Figure, rows: int, *, strip: bool) -> list[Axes]:
    """Return the plot, below a title, a caption and so many rows of legend.

    If need be, a strip under it is for experiments without a score. Places are in pixels.
    """
    width, height = figure.get_size_inches() * figure.dpi
    left, right, top, bottom, edge = 80, 20, 64 + rows * ROW, 50, 30 if strip else 0
    columns, across = left / width, 1 - (left + right) / width
    main = figure.add_axes(
        (columns, (bottom + edge) / height, across, 1 - (top + bottom + edge) / height)
    )
    dress(main, "", str(TASK.objective))
    count_experiments(main)
    axes = [main]
    if strip:
        below = (columns, bottom / height, across, (edge - 6) / height)
        axes.append(figure.add_axes(below, sharex=main))
        main.tick_params(labelbottom=False, length=0, axis="x")
        axes[1].spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("experiment")
    return axes


def find_scale(scored: pd.DataFrame, noise: Noise | None = None) -> tuple[float, float]:
    """Return the lowest and highest score to show: broken ones must not flatten the rest.

    Scores up to 4 times as far from the best as the median are shown, and keeps up to 10 times,
    since the way down is what the picture is about; with the band around them.
    """
    if scored.empty:
        return 0.0, 1.0
    scores, kept = scored[OBJECTIVE], scored["status"] == Verdict.KEEP
    low = float(scores.min())
    spread = float(scores.median()) - low or float(scores.max()) - low
    shown = scored[(scores <= low + 4 * spread) | (kept & (scores <= low + 10 * spread))]
    high = float(shown[OBJECTIVE].max())
    if high == low:
        low, high = low - ALONE, high + ALONE
    keeps = shown[shown["status"] == Verdict.KEEP]
    if noise and len(keeps):
        reaches = _reaches(keeps, noise)
        low = min(low, float((keeps[OBJECTIVE] - reaches).min()))
        high = max(high, float((keeps[OBJECTIVE] + reaches).max()))
    return low, high


def _reaches(keeps: pd.DataFrame, noise: Noise) -> np.ndarray:
    """Return half the height of the band from each keep on, in bits per byte."""
    return np.array([reach(noise, int(scores)) for scores in keeps["scores"]])


def _draw_unscored(axes: Axes, unscored: pd.DataFrame) -> None:
    """Draw a cross for each crash, and an open diamond where the machine was disturbed."""
    disturbed = unscored["status"] == Verdict.DISTURBED
    crashed, waits = unscored["number"][~disturbed], unscored["number"][disturbed]
    axes.plot(crashed, np.zeros(len(crashed)), "x", color=VERMILLION, ms=6, mew=1.6)
    axes.plot(waits, np.zeros(len(waits)), "D", mfc="none", mec=BLUE, ms=5, mew=1.3)
    _draw_rings(axes, unscored.assign(**{OBJECTIVE: 0.0}), 6)
    axes.set_ylim(-1, 1)
    axes.set_yticks([0], labels=["no score" if disturbed.any() else "crash"])
    axes.tick_params(axis="y", length=0, labelcolor=INK if disturbed.any() else VERMILLION)
    axes.set_facecolor(STRIP)


def _draw_scores(axes: Axes, scored: pd.DataFrame, noise: Noise | None, high: float) -> None:
    kept = scored["status"] == Verdict.KEEP
    size = float(np.clip(16 / len(scored) ** 0.25, 3.5, 7))
    _draw_best(axes, scored[kept], noise)
    for rows, colour, ms, order in (
        (scored[~kept], GREY, size, 2.0),
        (scored[kept], GREEN, 1.4 * size, 4.0),
    ):
        marks, above = rows[rows[OBJECTIVE] <= high], rows[rows[OBJECTIVE] > high]
        _draw_errors(axes, marks[several(marks)], colour, order - 0.5)
        axes.plot(
            marks["number"], marks[OBJECTIVE], "o", color=colour, ms=ms, mec="white", zorder=order
        )
        edge = axes.get_xaxis_transform()
        heights = np.full(len(above), 0.985)
        axes.plot(above["number"], heights, "^", color=colour, ms=7, transform=edge, clip_on=False)
    _draw_rings(axes, scored[scored[OBJECTIVE] <= high], size)


def _draw_errors(axes: Axes, marks: pd.DataFrame, colour: str, order: float) -> None:
    """Draw a bar on each mark that stands for several runs."""
    if marks.empty:
        return
    axes.errorbar(
        marks["number"],
        marks[OBJECTIVE],
        marks["error"],
        fmt="none",
        ecolor=colour,
        elinewidth=1.4,
        capsize=2.5,
        zorder=order,
    )


def _draw_best(axes: Axes, keeps: pd.DataFrame, noise: Noise | None) -> None:
    """Draw the best so far from keep to keep, and its band, to the edge of the plot."""
    if keeps.empty:
        return
    numbers = np.append(keeps["number"], axes.get_xlim()[1])
    values = np.append(keeps[OBJECTIVE], keeps[OBJECTIVE].iloc[-1])
    axes.step(numbers, values, where="post", color=GREEN, lw=1.8, zorder=3)
    if noise is None:
        return
    heights = _reaches(keeps, noise)
    heights = np.append(heights, heights[-1])
    edges = (values - heights, values + heights)
    axes.fill_between(numbers, *edges, step="post", color=BAND, lw=0, zorder=0.5)
    for edge in edges:
        axes.step(numbers, edge, where="post", color=BAND_EDGE, lw=0.7, zorder=0.6)


def _draw_rings(axes: Axes, rows: pd.DataFrame, size: float) -> None:
    """Draw a ring around each experiment that ran in a weaker sandbox."""
    weak = rows[rows["weaker"]]
    x, y = weak["number"], weak[OBJECTIVE]
    axes.plot(x, y, "o", mfc="none", mec=PURPLE, mew=1.3, ms=size + 6, zorder=4.5)


def _label_keeps(axes: Axes, keeps: pd.DataFrame) -> None:
    """Label keeps with their ideas; where there is no room, those with the least gain have none."""
    gains = -keeps[OBJECTIVE].diff()
    ends = list(dict.fromkeys([*keeps.index[:1], *keeps.index[-1:]]))
    most = min(LABELS, max(2, int(axes.bbox.width * axes.bbox.height / LABEL_PIXELS)))
    order = [*ends, *(at for at in gains.nlargest(most).index if at not in ends)][:most]
    if not order:
        return
    length = next(length for many, length in LENGTHS if len(order) <= many)
    texts = [_label(axes, keeps.loc[at], length) for at in order]
    points = keeps["number"].to_numpy(float), keeps[OBJECTIVE].to_numpy(float)
    adjust_text(texts, *points, ax=axes, iter_lim=ADJUSTMENTS)
    boxes: list[Bbox] = []
    for at, text in zip(order, texts, strict=True):
        box = text.get_window_extent()
        inside = axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1
        if not inside or any(box.overlaps(other) for other in boxes):
            text.remove()
            continue
        boxes.append(box)
        (x, y), row = text.get_position(), keeps.loc[at]
        axes.plot([row["number"], x], [row[OBJECTIVE], y], color=GREEN, lw=0.6, alpha=0.6, zorder=3)


def _label(axes: Axes, row: pd.Series, length: int) -> Text:
    words = shorten(drawable(str(row["idea"])), length)
    text = axes.text(float(row["number"]), float(row[OBJECTIVE]), words, fontsize=SMALL, color=INK)
    text.set(zorder=5, parse_math=False, in_layout=False)
    text.set_path_effects([withStroke(linewidth=3.5, foreground="white")])
    return text
