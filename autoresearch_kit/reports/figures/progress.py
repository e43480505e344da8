"""The picture of a campaign: every experiment a mark, the running best as a falling line.

The band around the line says where one more run of the best's own code would fall, 19 times out of
20: a mark inside it may be luck. Bars are one standard error long, like the numbers after ±
elsewhere.
"""

import numpy as np
import pandas as pd
from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from autoresearch_kit.records import LANGUAGE_MODELLING, Noise, SandboxLevel, Verdict
from autoresearch_kit.records.text import with_error
from autoresearch_kit.reports.figures.drawing import (
    BAND,
    BAND_EDGE,
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
from autoresearch_kit.reports.figures.x_axis import LABELS, Against, in_order, x_of
from autoresearch_kit.reports.rows import OBJECTIVE
from autoresearch_kit.verdicts.noise import reach

MOST_LABELS = 24
"""At most so many keeps are labelled: those with the largest gains, the first and the last."""

LABEL_PIXELS = 20_000
"""A label needs so many square pixels of the plot, or the line is not seen for labels."""

LENGTHS = ((8, 60), (MOST_LABELS, 34))
"""Up to so many labels have so many characters at most."""

ALONE = 0.01
"""Bits per byte shown around a single score."""

ADJUSTMENTS = 60
"""Steps in which labels are moved apart."""

MARGIN = 0.12
"""Share of the scale above and below it: room for labels."""

STRIP_INCHES, HEAD_INCHES = 0.26, 1.6
"""Height of the strip for experiments without a score; of title, caption, legend, x axis, about."""

LEGEND_INCHES = 2.4
"""Width of a column of the legend, about."""


def progress(
    frame: pd.DataFrame,
    noise: Noise | None = None,
    *,
    by: Against = Against.EXPERIMENTS,
    title: str = "",
    size: tuple[float, float] = (12.0, 6.0),
) -> Drawing:
    """Draw every experiment as a mark and the running best as a step line.

    With a `noise` the line has a band. `frame` is as `tables.to_frame` makes it. `by` chooses the x
    axis; by experiments, an idea that finished after one with a larger number moves the line there.
    `size` is in inches, at 100 pixels each.
    """
    frame = in_order(frame)
    frame = frame.assign(x=x_of(frame, by) if len(frame) else 0.0)
    figure = Drawing(size)
    scored, unscored = (frame[frame[OBJECTIVE].notna() == has] for has in (True, False))
    low, high = find_scale(scored, noise)
    if len(unscored):
        ratios = size[1] - STRIP_INCHES - HEAD_INCHES, STRIP_INCHES
        main, strip = figure.subplots(2, sharex=True, height_ratios=ratios)
        main.tick_params(axis="x", length=0)
        _draw_unscored(strip, unscored, by)
    else:
        main = figure.add_subplot()
    dress(main, "" if len(unscored) else LABELS[by], str(LANGUAGE_MODELLING.objective))
    if by is Against.EXPERIMENTS:
        count_experiments(main)
    last = float(frame["x"].max()) if len(frame) else 0.0
    last = last or 1.0
    main.set_xlim(-0.015 * last, 1.015 * last)
    margin = MARGIN * (high - low)
    main.set_ylim(low - margin, high + margin)
    _draw_scores(main, scored, noise, high)
    if scored.empty:
        main.set_yticks([])
        main.text(0.5, 0.5, "no score yet", transform=main.transAxes, ha="center", color=GREY)
    _draw_rings(figure.axes, frame, high)
    _draw_legend(figure)
    figure.entitle(main, title, describe_gain(frame))
    _label_keeps(main, scored[(scored["status"] == Verdict.KEEP) & (scored[OBJECTIVE] <= high)])
    return figure


def find_scale(scored: pd.DataFrame, noise: Noise | None = None) -> tuple[float, float]:
    """Return the lowest and highest score to show: broken ones must not flatten the rest.

    Scores up to 4 times as far from the best as the median are shown, and keeps up to 10 times,
    since the way down is what the picture is about; with the band around them.
    """
    if scored.empty:
        return 0.0, 1.0
    scores, kept = scored[OBJECTIVE], scored["status"] == Verdict.KEEP
    low = float(scores.min())
    # where half of all are as good as the best, the median is the best
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


def _draw_unscored(axes: Axes, unscored: pd.DataFrame, by: Against) -> None:
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


def _draw_scores(axes: Axes, scored: pd.DataFrame, noise: Noise | None, high: float) -> None:
    kept, size = scored["status"] == Verdict.KEEP, _mark_size(scored)
    for rows, colour, ms, order, label in (
        (scored[kept], GREEN, 1.4 * size, 4.0, "kept"),
        (scored[~kept], GREY, size, 2.0, "discarded"),
    ):
        marks, above = rows[rows[OBJECTIVE] <= high], rows[rows[OBJECTIVE] > high]
        x, y = marks["x"], marks[OBJECTIVE]
        axes.plot(x, y, "o", color=colour, ms=ms, mec="white", zorder=order, label=label)
        several = marks[(marks["scores"] > 1) & marks["error"].notna()]
        if len(several):
            x, y, errors = several["x"], several[OBJECTIVE], several["error"]
            bars = axes.errorbar(
                x, y, errors, fmt="none", ecolor=colour, elinewidth=1.4, capsize=2.5
            )
            bars.set_label("mean ± standard error")
        if len(above):
            heights, edge = np.full(len(above), 0.985), axes.get_xaxis_transform()
            label = f"{len(above)} off the scale, up to {above[OBJECTIVE].max():.4g}"
            [line] = axes.plot(above["x"], heights, "^", color=colour, ms=7, label=label)
            line.set(transform=edge, clip_on=False)
    if kept.any():
        _draw_best(axes, scored[kept], noise)


def _mark_size(scored: pd.DataFrame) -> float:
    """Return the size of marks in points: smaller ones where there are many."""
    return float(np.clip(16 / max(1, len(scored)) ** 0.25, 3.5, 7))


def _draw_best(axes: Axes, keeps: pd.DataFrame, noise: Noise | None) -> None:
    """Draw the best so far from keep to keep, and its band, to the edge of the plot."""
    places = np.append(keeps["x"].cummax(), axes.get_xlim()[1])
    values = np.append(keeps[OBJECTIVE], keeps[OBJECTIVE].iloc[-1])
    axes.step(places, values, where="post", color=GREEN, lw=1.8, zorder=3)
    if noise is None:
        return
    heights = _reaches(keeps, noise)
    heights = np.append(heights, heights[-1])
    band = axes.fill_between(places, values - heights, values + heights, step="post", zorder=0.5)
    band.set(facecolor=BAND, edgecolor=BAND_EDGE, lw=0.7)
    band.set_label("19 of 20 runs of the best fall here")


def _draw_rings(axes: list[Axes], frame: pd.DataFrame, high: float) -> None:
    """Draw a ring around each experiment that ran in a weaker sandbox."""
    weak = frame[frame["weaker"]]
    if weak.empty:
        return
    levels = set(weak["sandbox"])
    label = f"sandbox: {', '.join(level for level in SandboxLevel if level in levels)}"
    shown, unscored = weak[weak[OBJECTIVE] <= high], weak[weak[OBJECTIVE].isna()]
    size = _mark_size(frame) + 6
    lines = axes[0].plot(shown["x"], shown[OBJECTIVE], "o", ms=size, label=label)
    lines += axes[-1].plot(unscored["x"], np.zeros(len(unscored)), "o", ms=12, label=label)
    for line in lines:
        line.set(mfc="none", mec=PURPLE, mew=1.3, zorder=4.5)


def _draw_legend(figure: Drawing) -> None:
    """Draw each mark's meaning below the plot, once."""
    meanings = {
        label: handle
        for axes in figure.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        meanings.values(),
        meanings.keys(),
        loc="outside lower left",
        ncols=min(len(meanings), int(figure.get_figwidth() / LEGEND_INCHES)),
        fontsize=SMALL,
        frameon=False,
    )


def describe_gain(frame: pd.DataFrame) -> str:
    """Return what was gained, and in how many experiments, given in the order of finishing."""
    keeps = frame[(frame["status"] == Verdict.KEEP) & frame[OBJECTIVE].notna()]
    if keeps.empty:
        return f"{len(frame)} tried, none kept"
    tried = frame[frame["number"] > 0]
    words = {Verdict.KEEP: "kept", Verdict.DISCARD: "discarded", Verdict.CRASH: "crashed"}
    if (tried["status"] == Verdict.DISTURBED).any():
        words[Verdict.DISTURBED] = "disturbed"
    counts = [f"{(tried['status'] == verdict).sum()} {word}" for verdict, word in words.items()]
    before, after = (with_error(*row) for row in keeps[[OBJECTIVE, "error"]].iloc[[0, -1]].values)
    gain = f"baseline {before}"
    if len(keeps) > 1:
        first, last = keeps[OBJECTIVE].iloc[[0, -1]]
        change = f"{(first - last) / first:.2%} lower" if last < first else "no lower"
        change = "the same, with less code" if last == first else change
        gain += f" → best {after} ({change}, experiment {keeps['number'].iloc[-1]})"
    return f"{gain}   ·   {len(tried)} tried: {', '.join(counts)}"


def _label_keeps(axes: Axes, keeps: pd.DataFrame) -> None:
    """Label keeps with their ideas; where there is no room, those with the least gain have none."""
    gains = -keeps[OBJECTIVE].diff()
    ends = list(dict.fromkeys([*keeps.index[:1], *keeps.index[-1:]]))
    most = min(MOST_LABELS, max(2, int(axes.bbox.width * axes.bbox.height / LABEL_PIXELS)))
    order = [*ends, *(at for at in gains.nlargest(most).index if at not in ends)][:most]
    if not order:
        return
    length = next(length for many, length in LENGTHS if len(order) <= many)
    # adjustText moves labels apart, but drops none: what still overlaps is removed below
    texts = [_label(axes, keeps.loc[at], length) for at in order]
    points = keeps["x"].to_numpy(float), keeps[OBJECTIVE].to_numpy(float)
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
        axes.plot([row["x"], x], [row[OBJECTIVE], y], color=GREEN, lw=0.6, alpha=0.6, zorder=3)


def _label(axes: Axes, row: pd.Series, length: int) -> Text:
    words = shorten(drawable(str(row["idea"])), length)
    text = axes.text(float(row["x"]), float(row[OBJECTIVE]), words, fontsize=SMALL, color=INK)
    text.set(zorder=5, parse_math=False, in_layout=False)
    text.set_path_effects([withStroke(linewidth=3.5, foreground="white")])
    return text
