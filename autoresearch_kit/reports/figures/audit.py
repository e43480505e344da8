"""The held-out audit as a picture: what the keeps gained on val, and what on the audit shard."""

import textwrap

import numpy as np
from matplotlib.axes import Axes

from autoresearch_kit.reports.figures.drawing import (
    BLUE,
    GREEN,
    INK,
    VERMILLION,
    Drawing,
    Missing,
    count_experiments,
    drawable,
    dress,
)
from autoresearch_kit.verdicts.audit import ALLOWED_SIGMAS, SecondOpinion

_LINE = 135  # characters of the warning on a line of twelve inches
_BAND = "#E3F1EC"


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
    _draw(axes, opinion)
    dress(axes, "experiment", "bits per byte below the baseline (higher is better)")
    count_experiments(axes)
    axes.margins(x=0.015)
    axes.legend(loc="upper left", frameon=False, fontsize=9)
    words = textwrap.fill(opinion.warning or _agreement(opinion), int(_LINE * size[0] / 12))
    axes.set_title(words, loc="left", fontsize=10, color=VERMILLION if opinion.warning else INK)
    name = figure.suptitle(drawable(title), x=0.055, ha="left", fontsize=13, fontweight="bold")
    name.set_parse_math(False)
    return figure


def _agreement(opinion: SecondOpinion) -> str:
    if opinion.allowed is None:
        return "the two can't be compared: the noise is not known"
    return f"the best's gain on audit equals that on val, to within {_allowed(opinion.allowed)}"


def _allowed(allowed: float) -> str:
    return f"{ALLOWED_SIGMAS:g} sigma ({allowed:.2g})"


def _draw(axes: Axes, opinion: SecondOpinion) -> None:
    start, keeps = opinion.keeps[0], opinion.keeps
    numbers = [keep.number for keep in keeps]
    val = np.array([start.val - keep.val for keep in keeps])
    audited = np.array([start.audit - keep.audit for keep in keeps])
    if opinion.allowed is not None:
        label = f"within {_allowed(opinion.allowed)} of the gain on val"
        low, high = val - opinion.allowed, val + opinion.allowed
        axes.fill_between(numbers, low, high, color=_BAND, lw=0, label=label, zorder=0.5)
    for gains, style, colour, label in (
        (val, "o-", GREEN, "val: decides the verdicts"),
        (audited, "s--", BLUE, "audit: hidden from verdicts and researchers"),
    ):
        axes.plot(numbers, gains, style, color=colour, lw=1.8, ms=6, label=label)
    allowed = np.inf if opinion.allowed is None else opinion.allowed
    parted = [at for at, keep in enumerate(keeps) if keep.parted > allowed]
    if parted:
        places = [numbers[at] for at in parted], audited[parted]
        axes.plot(*places, "s", color=VERMILLION, ms=9, label="differs", zorder=4)
