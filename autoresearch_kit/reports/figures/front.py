"""The front of a campaign of several objectives: the keeps of which none is better in all."""

import math
from collections.abc import Collection
from itertools import combinations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from autoresearch_kit.records import Bound, Metric, Reason, Task, Verdict
from autoresearch_kit.reports.experiment import marks
from autoresearch_kit.reports.figures.drawing import (
    GREEN,
    GREY,
    INK,
    ORANGE,
    SMALL,
    VERMILLION,
    Drawing,
    Missing,
    draw_legend,
    dress,
)
from autoresearch_kit.reports.figures.experiment_marks import UNAPPROVED
from autoresearch_kit.reports.figures.score_scale import MARGIN, find_scale
from autoresearch_kit.reports.tables import column_of

WIDTH, HEIGHT = 12.0, 6.0  # inches of the figure of a single pair
COLUMNS = 3  # pairs of objectives side by side


def front(
    frame: pd.DataFrame, task: Task, members: Collection[int], *, title: str = ""
) -> Drawing | Missing:
    """Draw each pair of objectives as the axes of a plot, with the front, and bounds as lines.

    `frame` is as `tables.frame_of` makes it, `members` are the numbers of the front's experiments.
    More than one pair is drawn smaller.
    """
    names = [column_of(name, task) for name in task.objectives]
    if len(names) < 2:
        return Missing(f"{title} has one objective, {task.objective.name}: its front is its best.")
    if not set(names) <= set(frame) or frame[names].dropna().empty:
        return Missing(f"Nothing in {title} was measured in all objectives yet.")
    measured = frame.dropna(subset=names)
    measured = measured.assign(front=measured["number"].isin(list(members)))
    pairs = list(combinations(task.objectives, 2))
    rows = math.ceil(len(pairs) / COLUMNS)
    figure = Drawing((WIDTH, HEIGHT if len(pairs) == 1 else 0.8 * HEIGHT * rows))
    for at, pair in enumerate(pairs, start=1):
        axes = figure.add_subplot(rows, min(COLUMNS, len(pairs)), at)
        _draw_pair(axes, measured, task, pair)
    draw_legend(figure)
    numbers = ", ".join(map(str, measured["number"][measured["front"]]))
    caption = f"The front: {numbers}. No keep is surely better than any of these"
    if marked := marks(task):
        caption += f"   ·   {marked}"
    figure.entitle(figure.axes[0], title, caption)
    return figure


def _draw_pair(axes: Axes, frame: pd.DataFrame, task: Task, pair: tuple[str, str]) -> None:
    across, up = (task.metric(name) for name in pair)
    frame = frame.assign(x=frame[column_of(pair[0], task)], y=frame[column_of(pair[1], task)])
    dress(axes, str(across), str(up))
    axes.grid(axis="x", color="#E6E6E6", lw=0.8)
    axes.set_xlim(_limits(frame, "x", across))
    axes.set_ylim(_limits(frame, "y", up))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
        axis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
    for bound in task.bounds:
        _draw_bound(axes, bound, pair)
    kept, broke = frame["status"] == Verdict.KEEP, frame["reason"] == Reason.OUT_OF_BOUNDS
    held = kept & frame["held"]
    passed = kept & ~held & ~frame["front"]
    for which, colour, size, hollow, label in (
        (~kept & ~broke, GREY, 5.0, False, "discarded"),
        (broke, ORANGE, 6.0, True, "out of bounds"),
        (passed, GREY, 8.0, False, "kept, dominated by now"),
        (held, GREEN, 8.0, True, UNAPPROVED),
        (frame["front"], GREEN, 9.0, False, "the front"),
    ):
        rows = frame[which]
        shown = rows["x"].between(*axes.get_xlim()) & rows["y"].between(*axes.get_ylim())
        if away := int((~shown).sum()):
            label += f", {away} off the picture"
        edge = {"mfc": "white", "mec": colour, "mew": 1.3} if hollow else {"mec": "white"}
        if len(rows):
            axes.plot(rows["x"], rows["y"], "o", color=colour, ms=size, label=label, **edge)
    if len(task.objectives) == 2:
        _draw_steps(axes, frame[frame["front"]], across, up)
    for _, row in frame[kept].iterrows():
        _label(axes, row)


def _limits(frame: pd.DataFrame, name: str, metric: Metric) -> tuple[float, float]:
    """Return the ends of an axis: keeps are always shown, what is far off them is not."""
    low, high = find_scale(frame.assign(score=frame[name]), None, metric)
    keeps = frame[name][frame["status"] == Verdict.KEEP]
    low, high = min(low, *keeps, high), max(high, *keeps, low)
    margin = MARGIN * (high - low)
    return low - margin, high + margin


def _draw_bound(axes: Axes, bound: Bound, pair: tuple[str, str]) -> None:
    """Draw a bound on one of the two objectives as a line, and shade what lies beyond it."""
    if bound.metric not in pair:
        return
    vertical = bound.metric == pair[0]
    low, high = axes.get_xlim() if vertical else axes.get_ylim()
    beyond = max(high, bound.limit) if bound.at_most else min(low, bound.limit)
    line, span = (axes.axvline, axes.axvspan) if vertical else (axes.axhline, axes.axhspan)
    if low <= bound.limit <= high:
        line(bound.limit, color=VERMILLION, ls="--", lw=1.4, label=f"bound: {bound}")
    span(bound.limit, beyond, color=VERMILLION, alpha=0.07, lw=0)
    if vertical:
        axes.set_xlim(low, high)
    else:
        axes.set_ylim(low, high)


def _draw_steps(axes: Axes, members: pd.DataFrame, across: Metric, up: Metric) -> None:
    """Draw the edge of what the front is better than, in both objectives."""
    points = members.assign(u=across.sign * members["x"], v=up.sign * members["y"])
    points = points.sort_values(["u", "v"])
    points = points[points["v"] < points["v"].cummin().shift(fill_value=math.inf)]
    if points.empty:
        return
    worst_x = axes.get_xlim()[1 if across.sign > 0 else 0]
    worst_y = axes.get_ylim()[1 if up.sign > 0 else 0]
    x = [points["x"].iloc[0], *points["x"], worst_x]
    y = [worst_y, *points["y"], points["y"].iloc[-1]]
    axes.step(x, y, where="post", color=GREEN, lw=1.5, zorder=1.5)


def _label(axes: Axes, row: pd.Series) -> None:
    colour = GREEN if row["front"] else INK
    text = axes.annotate(
        str(row["number"]),
        (float(row["x"]), float(row["y"])),
        (6, 5),
        textcoords="offset points",
        fontsize=SMALL,
        color=colour,
        annotation_clip=True,
    )
    text.set_path_effects([withStroke(linewidth=3, foreground="white")])
