"""The held-out audit as a picture: what the keeps gained on val, and what on the audit data."""

import numpy as np
from matplotlib.axes import Axes

from autoresearch_kit.records import Metric
from autoresearch_kit.reports.figures.drawing import (
    BAND,
    BLUE,
    GREEN,
    INK,
    VERMILLION,
    Drawing,
    Missing,
    count_experiments,
    dress,
    gain_label,
)
from autoresearch_kit.reports.tables import UPSTREAM
from autoresearch_kit.verdicts.audit import ALLOWED_SIGMAS, SecondOpinion


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
