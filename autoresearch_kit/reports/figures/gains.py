"""Gains over the baseline as pictures: of several campaigns, and of keeps on both hidden parts.

Campaigns are compared by experiments, hours, device-hours or dollars. The held-out audit shows what
the keeps gained on val, and what on the audit data.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from autoresearch_kit.records import Metric
from autoresearch_kit.reports.figures.drawing import (
    BAND,
    BLUE,
    COLOURS,
    GREEN,
    INK,
    VERMILLION,
    Drawing,
    Missing,
    count_experiments,
    dress,
    gain_label,
    shorten,
)
from autoresearch_kit.reports.figures.x_axis import LABELS, LACKING, Against, in_order, x_of
from autoresearch_kit.reports.tables import UPSTREAM, leading
from autoresearch_kit.verdicts.audit import ALLOWED_SIGMAS, SecondOpinion

_NAME = 60  # characters of a group's name at most
_SHORT = 36  # characters of names that fit side by side
_STYLES = ("-", "--", ":")  # once the colours are used up


def compare(
    groups: Sequence[tuple[str, Sequence[pd.DataFrame]]],
    metric: Metric,
    against: Against = Against.EXPERIMENTS,
) -> Drawing | Missing:
    """Draw the gain so far of several campaigns, each over its own baseline, in the same metric.

    A group is a name and frames as `tables.frame_of` makes them. Several frames are repeats: the
    line is their median, the band reaches from the least to the most, both up to where the shortest
    ends. Against dollars, a group that spent none is a level line. A group that has no values for
    `against` is named under the plot; where none has, a sentence says so.
    """
    curves = [
        (name, [curve for frame in frames if len(curve := _curve(frame, metric, against))])
        for name, frames in groups
    ]
    ends = [curve.index[-1] for _, repeats in curves for curve in repeats]
    if not ends or (against is Against.USD and max(ends) == 0):
        return Missing(f"Nothing to compare by {against}: {LACKING[against]}.")
    figure = Drawing((12.0, 5.0))
    axes = figure.add_subplot()
    for at, (name, repeats) in enumerate(curves):
        colour, style = COLOURS[at % len(COLOURS)], _STYLES[at // len(COLOURS) % len(_STYLES)]
        if repeats and against is Against.USD and repeats[0].index[-1] == 0:
            label, level = f"{shorten(name, _NAME)}, which spent nothing", repeats[0].iloc[-1]
            axes.axhline(level, color=colour, lw=1.5, ls="--", label=label)
        elif repeats:
            _draw(axes, shorten(name, _NAME), repeats, colour, style)
    lacking = [name for name, repeats in curves if not repeats]
    note = f"\n(left out, {LACKING[against]}: {', '.join(lacking)})" if lacking else ""
    dress(axes, LABELS[against] + note, gain_label(metric))
    if against is Against.EXPERIMENTS:
        count_experiments(axes)
    axes.margins(x=0.01)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    names = axes.get_legend_handles_labels()[1]
    ncols = 3 if max(map(len, names)) <= _SHORT else 1
    figure.legend(loc="outside upper left", frameon=False, ncols=ncols)
    return figure


def _curve(frame: pd.DataFrame, metric: Metric, against: Against) -> pd.Series:
    """Return the gain over the baseline by the values of the x axis, where both are known.

    Where an experiment finished after one with a larger number, it counts at the larger one.
    """
    frame = in_order(frame)
    kept = metric.sign * frame["score"].where(leading(frame))
    gain = kept.bfill().iloc[0] - kept.ffill()
    curve: pd.Series = gain.groupby(x_of(frame, against).cummax()).last()
    return curve.dropna()


def _draw(axes: Axes, name: str, repeats: Sequence[pd.Series], colour: str, style: str) -> None:
    label = name if len(repeats) == 1 else f"{name} (median and range of {len(repeats)})"
    # repeats have points at different x: between its points each stays where it is
    gains = pd.concat(repeats, axis=1).ffill().bfill()
    gains = gains[gains.index <= min(curve.index[-1] for curve in repeats)]
    middle = gains.median(axis=1)
    if len(repeats) > 1:
        low, high = gains.min(axis=1), gains.max(axis=1)
        axes.fill_between(gains.index, low, high, step="post", color=colour, alpha=0.18, lw=0)
    axes.step(gains.index, middle, where="post", color=colour, ls=style, lw=2, label=label)
    axes.plot(middle.index[-1:], middle.iloc[-1:], "o", color=colour, ms=5)


def audit(
    opinion: SecondOpinion, *, metric: Metric = UPSTREAM, title: str = ""
) -> Drawing | Missing:
    """Draw the gains since the baseline on both hidden parts, or say what is missing."""
    if not opinion.keeps:
        return Missing(f"No baseline was scored on the audit data in {title}.")
    if len(opinion.keeps) == 1:
        return Missing(f"Only the baseline was scored on the audit data yet in {title}.")
    figure = Drawing((12.0, 5.0))
    axes = figure.add_subplot()
    dress(axes, "experiment", gain_label(metric))
    count_experiments(axes)
    axes.margins(x=0.015)
    caption = "the two can't be compared: the noise is not known"
    if opinion.allowed is not None:
        allowed = _sigmas(opinion.allowed)
        caption = f"the best's gain on audit equals that on {opinion.val}, to within {allowed}"
    _draw_gains(axes, opinion, metric)
    axes.legend(loc="upper left", frameon=False, fontsize=9)
    warning = opinion.warning
    figure.entitle(axes, title, warning or caption, VERMILLION if warning else INK)
    return figure


def _draw_gains(axes: Axes, opinion: SecondOpinion, metric: Metric) -> None:
    """Draw both gains of each keep, what they may differ by, and where they differ by more."""
    start, allowed = opinion.keeps[0], opinion.allowed
    # a keep that finished after one with a larger number is drawn there
    numbers = np.maximum.accumulate([keep.number for keep in opinion.keeps])
    val = metric.sign * np.array([start.val - keep.val for keep in opinion.keeps])
    audited = metric.sign * np.array([start.audit - keep.audit for keep in opinion.keeps])
    if allowed is not None:
        edges = val - allowed, val + allowed
        band = axes.fill_between(numbers, *edges, color=BAND, lw=0, zorder=0.5)
        band.set_label(f"within {_sigmas(allowed)} of the gain on {opinion.val}")
    decides = f"{opinion.val}: decides the verdicts"
    axes.plot(numbers, val, "o-", color=GREEN, lw=1.8, ms=6, label=decides)
    label = "audit: hidden from verdicts and researchers"
    axes.plot(numbers, audited, "s--", color=BLUE, lw=1.8, ms=6, label=label)
    differs = [allowed is not None and keep.parted > allowed for keep in opinion.keeps]
    if any(differs):
        x, y = numbers[differs], audited[differs]
        axes.plot(x, y, "s", color=VERMILLION, ms=9, label="differs", zorder=4)


def _sigmas(allowed: float) -> str:
    return f"{ALLOWED_SIGMAS:g} sigma ({allowed:.2g})"
