"""The picture of a campaign: every experiment a mark, the running best as a line of steps.

The band around the line says where one more run of the best's own code would fall, 19 times out of
20: a mark inside it may be luck. Bars are one standard error long, like the numbers after ±
elsewhere.
"""

import pandas as pd
from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from autoresearch_kit.records import Metric, Noise, Verdict
from autoresearch_kit.records.text import rounded, with_error
from autoresearch_kit.reports.experiment import TRUSTED
from autoresearch_kit.reports.figures.drawing import (
    GREEN,
    GREY,
    INK,
    SMALL,
    Drawing,
    count_experiments,
    draw_legend,
    drawable,
    dress,
    shorten,
)
from autoresearch_kit.reports.figures.experiment_marks import draw_rings, draw_scores, draw_unscored
from autoresearch_kit.reports.figures.score_scale import MARGIN, find_scale
from autoresearch_kit.reports.figures.x_axis import LABELS, Against, in_order, x_of
from autoresearch_kit.reports.summary_words import share
from autoresearch_kit.reports.tables import UPSTREAM, leading

STRIP_INCHES, HEAD_INCHES = 0.26, 1.6
"""Height of the strip for experiments without a score; of title, caption, legend, x axis, about."""

MOST_LABELS = 24
"""At most so many keeps are labelled: those with the largest gains, the first and the last."""

LABEL_PIXELS = 20_000
"""A label needs so many square pixels of the plot, or the line is not seen for labels."""

LENGTHS = ((8, 60), (MOST_LABELS, 34))  # up to so many labels have so many characters at most
ADJUSTMENTS = 60  # steps in which labels are moved apart


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
    main = _lay_out(figure, unscored, by)
    dress(main, "" if len(unscored) else LABELS[by], str(metric))
    last = (float(frame["x"].max()) if len(frame) else 0.0) or 1.0
    main.set_xlim(-0.015 * last, 1.015 * last)
    margin = MARGIN * (high - low)
    main.set_ylim(low - margin, high + margin)
    shown = scored["score"].between(low, high)
    draw_scores(main, scored, noise, shown, metric)
    if scored.empty:
        main.set_yticks([])
        main.text(0.5, 0.5, "no score yet", transform=main.transAxes, ha="center", color=GREY)
    draw_rings(figure.axes, frame, (low, high))
    draw_legend(figure)
    figure.entitle(main, title, describe_gain(frame, metric))
    label_keeps(main, scored[(scored["status"] == Verdict.KEEP) & shown], metric)
    return figure


def _lay_out(figure: Drawing, unscored: pd.DataFrame, by: Against) -> Axes:
    """Return the axes for scores, above a strip for experiments without one if there are any."""
    main: Axes
    if len(unscored):
        ratios = figure.get_figheight() - STRIP_INCHES - HEAD_INCHES, STRIP_INCHES
        main, strip = figure.subplots(2, sharex=True, height_ratios=ratios)
        main.tick_params(axis="x", length=0)
        draw_unscored(strip, unscored, by)
    else:
        main = figure.add_subplot()
    if by is Against.EXPERIMENTS:
        count_experiments(main)
    return main


def describe_gain(frame: pd.DataFrame, metric: Metric = UPSTREAM) -> str:
    """Return what was gained, and in how many experiments, given in the order of finishing."""
    keeps = frame[leading(frame) & frame["score"].notna()]
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


def label_keeps(axes: Axes, keeps: pd.DataFrame, metric: Metric) -> None:
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
