"""The picture of a campaign: every experiment a mark, the running best as a line of steps.

The band around the line says where one more run of the best's own code would fall, 19 times out of
20: a mark inside it may be luck. Bars are one standard error long, like the numbers after ±
elsewhere.
"""

import math

import numpy as np
import pandas as pd
from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from autoresearch_kit.records import Metric, Noise, Reason, SandboxLevel, Verdict
from autoresearch_kit.records.text import rounded, with_error
from autoresearch_kit.reports.experiment import TRUSTED
from autoresearch_kit.reports.figures.drawing import (
    BAND,
    BAND_EDGE,
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SMALL,
    VERMILLION,
    Drawing,
    count_experiments,
    draw_legend,
    drawable,
    dress,
    shorten,
)
from autoresearch_kit.reports.figures.x_axis import LABELS, Against, in_order, x_of
from autoresearch_kit.reports.summary import share
from autoresearch_kit.reports.tables import UPSTREAM
from autoresearch_kit.verdicts.noise import reach

MOST_LABELS = 24
"""At most so many keeps are labelled: those with the largest gains, the first and the last."""

LABEL_PIXELS = 20_000
"""A label needs so many square pixels of the plot, or the line is not seen for labels."""

LENGTHS = ((8, 60), (MOST_LABELS, 34))
"""Up to so many labels have so many characters at most."""

ALONE = 0.01
"""Share of a single score that is shown around it; of 0, all."""

ADJUSTMENTS = 60
"""Steps in which labels are moved apart."""

MARGIN = 0.12
"""Share of the scale above and below it: room for labels."""

STRIP_INCHES, HEAD_INCHES = 0.26, 1.6
"""Height of the strip for experiments without a score; of title, caption, legend, x axis, about."""

TRADED, OUT_OF_BOUNDS = "kept as a trade-off", "out of bounds"
HOLLOW = (TRADED, OUT_OF_BOUNDS)
"""Kinds of marks that are rings, and are explained only where there are any."""


def progress(
    frame: pd.DataFrame,
    noise: Noise | None = None,
    *,
    metric: Metric = UPSTREAM,
    by: Against = Against.EXPERIMENTS,
    title: str = "",
    size: tuple[float, float] = (12.0, 6.0),
) -> Drawing:
    """Draw every experiment as a mark and the running best as a step line.

    With a `noise` the line has a band. `frame` is as `tables.frame_of` makes it, and `metric` says
    what its scores are. `by` chooses the x axis; by experiments, an idea that finished after one
    with a larger number moves the line there. `size` is in inches, at 100 pixels each.
    """
    frame = in_order(frame)
    frame = frame.assign(x=x_of(frame, by) if len(frame) else 0.0)
    figure = Drawing(size)
    scored, unscored = (frame[frame["score"].notna() == has] for has in (True, False))
    low, high = find_scale(scored, noise, metric)
    if len(unscored):
        ratios = size[1] - STRIP_INCHES - HEAD_INCHES, STRIP_INCHES
        main, strip = figure.subplots(2, sharex=True, height_ratios=ratios)
        main.tick_params(axis="x", length=0)
        _draw_unscored(strip, unscored, by)
    else:
        main = figure.add_subplot()
    dress(main, "" if len(unscored) else LABELS[by], str(metric))
    if by is Against.EXPERIMENTS:
        count_experiments(main)
    last = float(frame["x"].max()) if len(frame) else 0.0
    last = last or 1.0
    main.set_xlim(-0.015 * last, 1.015 * last)
    margin = MARGIN * (high - low)
    main.set_ylim(low - margin, high + margin)
    shown = scored["score"].between(low, high)
    _draw_scores(main, scored, noise, shown, metric)
    if scored.empty:
        main.set_yticks([])
        main.text(0.5, 0.5, "no score yet", transform=main.transAxes, ha="center", color=GREY)
    _draw_rings(figure.axes, frame, (low, high))
    draw_legend(figure)
    figure.entitle(main, title, describe_gain(frame, metric))
    _label_keeps(main, scored[(scored["status"] == Verdict.KEEP) & shown], metric)
    return figure


def find_scale(
    scored: pd.DataFrame, noise: Noise | None = None, metric: Metric = UPSTREAM
) -> tuple[float, float]:
    """Return the lowest and highest score to show: broken ones must not flatten the rest.

    Scores up to 4 times as far from the best as the median are shown, and keeps up to 10 times,
    since their way is what the picture is about; with the band around them.
    """
    if scored.empty:
        return 0.0, 1.0
    values, kept = metric.sign * scored["score"], scored["status"] == Verdict.KEEP
    best = float(values.min())
    # where half of all are as good as the best, the median is the best
    spread = float(values.median()) - best or float(values.max()) - best
    shown = scored[(values <= best + 4 * spread) | (kept & (values <= best + 10 * spread))]
    low, high = float(shown["score"].min()), float(shown["score"].max())
    if high == low:
        alone = ALONE * abs(low) or 1.0
        low, high = low - alone, high + alone
    keeps = shown[shown["status"] == Verdict.KEEP]
    if noise and len(keeps):
        reaches = _reaches(keeps, noise) if noise.sigma else keeps["score_se"].fillna(0.0)
        low = min(low, float((keeps["score"] - reaches).min()))
        high = max(high, float((keeps["score"] + reaches).max()))
    return max(low, _floor(metric)), high


def _floor(metric: Metric) -> float:
    """Return the least value that a band of noise may show: no metric falls below its floor."""
    return 0.0 if metric.zero_is_floor else -math.inf


def _reaches(keeps: pd.DataFrame, noise: Noise) -> np.ndarray:
    """Return half the height of the band from each keep on."""
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


def _draw_scores(
    axes: Axes, scored: pd.DataFrame, noise: Noise | None, shown: pd.Series, metric: Metric
) -> None:
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
    if len(leading := scored[_leading(scored)]):
        _draw_best(axes, leading, noise, metric)


def _kinds(scored: pd.DataFrame, size: float) -> dict[str, tuple[pd.DataFrame, str, float]]:
    """Return the experiments by the word of the legend, with colour and size of their marks."""
    kept, reason = scored["status"] == Verdict.KEEP, scored["reason"]
    traded, broke = kept & (reason == Reason.TRADE_OFF), reason == Reason.OUT_OF_BOUNDS
    kinds = {
        "kept": (scored[kept & ~traded], GREEN, 1.4 * size),
        TRADED: (scored[traded], BLUE, 1.2 * size),
        "discarded": (scored[~kept & ~broke], GREY, size),
        OUT_OF_BOUNDS: (scored[broke], ORANGE, size),
    }
    return {name: kind for name, kind in kinds.items() if name not in HOLLOW or len(kind[0])}


def _leading(frame: pd.DataFrame) -> pd.Series:
    """Return the experiments that became the best."""
    kept = (frame["status"] == Verdict.KEEP) & ~frame["held"]
    return kept & (frame["reason"] != Reason.TRADE_OFF)


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
    heights = _reaches(keeps, noise)
    heights = np.append(heights, heights[-1])
    lowest = np.maximum(values - heights, _floor(metric))
    band = axes.fill_between(places, lowest, values + heights, step="post", zorder=0.5)
    band.set(facecolor=BAND, edgecolor=BAND_EDGE, lw=0.7)
    band.set_label("19 of 20 runs of the best fall here")


def _draw_rings(axes: list[Axes], frame: pd.DataFrame, scale: tuple[float, float]) -> None:
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


def describe_gain(frame: pd.DataFrame, metric: Metric = UPSTREAM) -> str:
    """Return what was gained, and in how many experiments, given in the order of finishing."""
    keeps = frame[_leading(frame) & frame["score"].notna()]
    if keeps.empty:
        return f"{len(frame)} tried, none kept"
    tried = frame[frame["number"] > 0]
    words = {Verdict.KEEP: "kept", Verdict.DISCARD: "discarded", Verdict.CRASH: "crashed"}
    if (tried["status"] == Verdict.DISTURBED).any():
        words[Verdict.DISTURBED] = "disturbed"
    counts = [f"{(tried['status'] == verdict).sum()} {word}" for verdict, word in words.items()]
    (first, first_se), (last, last_se) = keeps[["score", "score_se"]].to_numpy(float)[[0, -1]]
    gain = f"baseline {with_error(first, first_se)}"
    if len(keeps) > 1:
        change = _change(first, last, last_se, metric)
        after = with_error(last, last_se)
        gain += f" → best {after} ({change}, experiment {keeps['number'].iloc[-1]})"
    trusted = f"   ·   {TRUSTED}" if frame["trusted"].any() else ""
    return f"{gain}   ·   {len(tried)} tried: {', '.join(counts)}{trusted}"


def _change(first: float, last: float, error: float, metric: Metric) -> str:
    """Return by how much the last is better than the first, in percent where that has a meaning."""
    better, gain = metric.direction, metric.sign * (first - last)
    if gain == 0:
        return "the same, with less code"
    if gain < 0:
        return f"no {better}"
    return f"{share(gain, first, metric).strip(' ()') or rounded(gain, error)} {better}"


def _label_keeps(axes: Axes, keeps: pd.DataFrame, metric: Metric) -> None:
    """Label keeps with their ideas; where there is no room, those with the least gain have none."""
    gains = -metric.sign * keeps["score"].diff()
    ends = list(dict.fromkeys([*keeps.index[:1], *keeps.index[-1:]]))
    most = min(MOST_LABELS, max(2, int(axes.bbox.width * axes.bbox.height / LABEL_PIXELS)))
    order = [*ends, *(at for at in gains.nlargest(most).index if at not in ends)][:most]
    if not order:
        return
    length = next(length for many, length in LENGTHS if len(order) <= many)
    # adjustText moves labels apart, but drops none: what still overlaps is removed below
    texts = [_label(axes, keeps.loc[at], length) for at in order]
    points = keeps["x"].to_numpy(float), keeps["score"].to_numpy(float)
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
        axes.plot([row["x"], x], [row["score"], y], color=GREEN, lw=0.6, alpha=0.6, zorder=3)


def _label(axes: Axes, row: pd.Series, length: int) -> Text:
    words = shorten(drawable(str(row["idea"])), length)
    text = axes.text(float(row["x"]), float(row["score"]), words, fontsize=SMALL, color=INK)
    text.set(zorder=5, parse_math=False, in_layout=False)
    text.set_path_effects([withStroke(linewidth=3.5, foreground="white")])
    return text
