"""The held-out audit as a picture: what the keeps gained on val, and what on the audit shard."""

import numpy as np
from matplotlib.axes import Axes

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
)
from autoresearch_kit.verdicts.audit import ALLOWED_SIGMAS, SecondOpinion


def audit(
    opinion: SecondOpinion, *, title: str = "", size: tuple[float, float] = (12.0, 5.0)
) -> Drawing | Missing:
    """Draw the gains since the baseline on both shards, or say why there are none.

    `size` is in inches.
    """
    if not opinion.keeps:
        return Missing(f"No baseline was scored on the audit shard in {title}.")
    if len(opinion.keeps) == 1:
        return Missing(f"Only the baseline was scored on the audit shard yet in {title}.")
    figure = Drawing(size)
    axes = figure.add_subplot()
    dress(axes, "experiment", "bits per byte below the baseline (higher is better)")
    count_experiments(axes)
    axes.margins(x=0.015)
    agreement = "the two can't be compared: the noise is not known"
    if opinion.allowed is not None:
        allowed = f"{ALLOWED_SIGMAS:g} sigma ({opinion.allowed:.2g})"
        agreement = f"the best's gain on audit equals that on val, to within {allowed}"
        _draw_band(axes, opinion, opinion.allowed, f"within {allowed} of the gain on val")
    _draw_gains(axes, opinion)
    axes.legend(loc="upper left", frameon=False, fontsize=9)
    colour = VERMILLION if opinion.warning else INK
    figure.entitle(axes, title, opinion.warning or agreement, colour)
    return figure


def _draw_band(axes: Axes, opinion: SecondOpinion, allowed: float, label: str) -> None:
    numbers = [keep.number for keep in opinion.keeps]
    gains = np.array([opinion.keeps[0].val - keep.val for keep in opinion.keeps])
    edges = gains - allowed, gains + allowed
    axes.fill_between(numbers, *edges, color=BAND, lw=0, label=label, zorder=0.5)


def _draw_gains(axes: Axes, opinion: SecondOpinion) -> None:
    start, keeps = opinion.keeps[0], opinion.keeps
    numbers = [keep.number for keep in keeps]
    val = [start.val - keep.val for keep in keeps]
    audited = [start.audit - keep.audit for keep in keeps]
    axes.plot(numbers, val, "o-", color=GREEN, lw=1.8, ms=6, label="val: decides the verdicts")
    label = "audit: hidden from verdicts and researchers"
    axes.plot(numbers, audited, "s--", color=BLUE, lw=1.8, ms=6, label=label)
    if opinion.allowed is None:
        return
    parted = [keep for keep in keeps if keep.parted > opinion.allowed]
    if parted:
        gains = [start.audit - keep.audit for keep in parted]
        numbers = [keep.number for keep in parted]
        axes.plot(numbers, gains, "s", color=VERMILLION, ms=9, label="differs", zorder=4)
