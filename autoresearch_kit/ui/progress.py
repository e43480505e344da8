"""The picture of a campaign: every experiment a mark, the running best as a falling line.

Colours are Okabe and Ito's (https://jfly.uni-koeln.de/color/), which colour-blind people tell
apart; every state has its own mark as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from autoresearch_kit.records import Verdict
from autoresearch_kit.ui.drawing import Drawing, drawable, shorten
from autoresearch_kit.ui.labels import Labels, Point, place_labels

GREEN = "#009E73"
VERMILLION = "#D55E00"
GREY = "#8C8C8C"
INK = "#333333"

SMALL = 9.0
"""Points; nothing in a figure is written smaller."""

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
    frame: pd.DataFrame, *, title: str = "", size: tuple[float, float] = (12.0, 6.0)
) -> Drawing:
    """The picture of a campaign: every experiment a mark, the running best as a step line.

    `frame` has a row per experiment with the columns `number`, `status` (keep, discard, crash),
    `val_bpb` (NaN for a crash) and `idea`. `size` is in inches, at 100 pixels each.
    """
    figure = Drawing(size)
    crashes = frame[frame["val_bpb"].isna()]
    scored = frame[frame["val_bpb"].notna()]
    axes = _axes(figure, strip=len(crashes) > 0)
    main = axes[0]
    _limit_x(main, frame)
    if len(crashes):
        _draw_crashes(axes[1], crashes)
    if len(scored):
        _draw_scores(main, scored, int(frame["number"].max()))
    else:
        main.set_yticks([])
        main.text(0.5, 0.5, "no score yet", transform=main.transAxes, ha="center", color=GREY)
    axes[-1].set_xlabel("experiment")
    main.set_ylabel("val_bpb (lower is better)")
    _head(figure, title, _caption(frame))
    if len(scored):
        _legend(figure, len(scored[scored["val_bpb"] > find_scale(scored).high]), scored)
    return figure


def _axes(figure: Figure, *, strip: bool) -> list[Axes]:
    """The plot, and under it a strip for crashes if there are any; at fixed places in pixels."""
    width, height = figure.get_size_inches() * figure.dpi
    left, right, top, bottom, edge = 80, 20, 66, 50, 30 if strip else 0
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
    last = int(frame["number"].max()) if len(frame) else 0
    margin = max(last, 10) * 0.015
    axes.set_xlim(-margin, max(last, 10) + margin)


def _draw_crashes(axes: Axes, crashes: pd.DataFrame) -> None:
    axes.plot(crashes["number"], np.zeros(len(crashes)), "x", color=VERMILLION, ms=6, mew=1.6)
    axes.set_ylim(-1, 1)
    axes.set_yticks([0], labels=["crash"])
    axes.tick_params(axis="y", length=0, labelcolor=VERMILLION)
    axes.set_facecolor("#FBF3EE")


def _draw_scores(axes: Axes, scored: pd.DataFrame, last: int) -> None:
    scale = find_scale(scored)
    on_scale = scored["val_bpb"] <= scale.high
    kept = scored["status"] == Verdict.KEEP
    size = float(np.clip(16 / len(scored) ** 0.25, 3.5, 7))
    labelled, labels = _fit_labels(axes, _choose_labelled(axes, scored[kept & on_scale]), scale)
    _draw_best(axes, scored[kept], last)
    _draw_marks(axes, scored[~kept & on_scale], GREY, size)
    _draw_marks(axes, scored[kept & on_scale], GREEN, 1.4 * size)
    _draw_outliers(axes, scored[~on_scale])
    _draw_labels(axes, labelled, labels)


def _draw_marks(axes: Axes, frame: pd.DataFrame, colour: str, size: float) -> None:
    order = 4 if colour == GREEN else 2
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


def _head(figure: Figure, title: str, caption: Sequence[str]) -> None:
    width, height = figure.get_size_inches() * figure.dpi
    left, first, second = 80 / width, 1 - 24 / height, 1 - 46 / height
    name = figure.text(left, first, drawable(title), fontsize=13, va="center", color=INK)
    name.set(fontweight="bold", parse_math=False)
    line = figure.text(left, second, "   ·   ".join(caption), fontsize=SMALL + 1, va="center")
    line.set_color(INK)
    if line.get_window_extent().x1 > width:
        line.set_text(caption[0])


def _legend(figure: Figure, off_scale: int, scored: pd.DataFrame) -> None:
    """What the marks say, how many scores are off the scale, and how far the worst is."""
    marks = [("o", GREEN, "kept"), ("o", GREY, "discarded")]
    if off_scale:
        worst = float(scored["val_bpb"].max())
        marks.append(("^", GREY, f"{off_scale} off the scale, up to {worst:.4g}"))
    handles = [
        Line2D([], [], marker=mark, color=colour, label=label, linestyle="")
        for mark, colour, label in marks
    ]
    width, height = figure.get_size_inches() * figure.dpi
    figure.legend(
        handles=handles,
        loc="center right",
        bbox_to_anchor=(1 - 12 / width, 1 - 24 / height),
        ncols=len(handles),
        fontsize=SMALL,
        frameon=False,
        handletextpad=0.1,
        columnspacing=1.2,
    )


def _caption(frame: pd.DataFrame) -> list[str]:
    """From what to what, by how much; and, where there is room, in how many experiments."""
    keeps = frame[(frame["status"] == Verdict.KEEP) & frame["val_bpb"].notna()]
    if not len(keeps):
        return [f"{len(frame)} tried, none kept"]
    tried = frame.iloc[1:]
    counts = ", ".join(
        f"{int((tried['status'] == verdict).sum())} {word}"
        for verdict, word in zip(Verdict, ("kept", "discarded", "crashed"), strict=True)
    )
    said = f"{len(tried)} experiment{'' if len(tried) == 1 else 's'} after the baseline: {counts}"
    first, last = float(keeps["val_bpb"].iloc[0]), float(keeps["val_bpb"].iloc[-1])
    if len(keeps) == 1:
        return [f"baseline {first:.6f}", said]
    lower = f"{(first - last) / first:.2%} lower" if last < first else "the same, with less code"
    gain = f"{lower}, experiment {keeps['number'].iloc[-1]}"
    return [f"baseline {first:.6f} → best {last:.6f} ({gain})", said]
