"""The loss curve of the run under way against the best's."""

from bisect import bisect_right
from collections.abc import Sequence

from autoresearch_kit.execution.live import Point
from autoresearch_kit.reports.figures.drawing import Drawing
from autoresearch_kit.reports.figures.loss_curves import curve_of, loss_curves

SIZE = (9.0, 2.6)
"""Inches, at 100 pixels each."""


def live_curve(run: Sequence[Point], best: Sequence[Point], budget: float) -> Drawing:
    """Draw both curves on an axis as long as the budget, in training seconds."""
    curves = {"the best": curve_of(best), "this run": curve_of(run)}
    return loss_curves(curves, size=SIZE, seconds=budget)


def versus(run: Sequence[Point], best: Sequence[Point]) -> str:
    """Compare this run with the best at the same training second; empty if that is not possible.

    Both are means over the last twentieth of the time so far, since single losses jump.
    """
    if not run or not best or run[-1].seconds < best[0].seconds:
        return ""
    now = run[-1].seconds
    mine, other = _mean(run, now), _mean(best, now)
    word = "lower" if mine < other else "higher"
    return f"loss {mine:.3f} at {now:.0f} s, {abs(mine - other):.3f} {word} than the best's there"


def _mean(curve: Sequence[Point], until: float) -> float:
    end = bisect_right(curve, until, key=lambda point: point.seconds)
    start = bisect_right(curve, 0.95 * until, key=lambda point: point.seconds)
    chosen = curve[min(start, end - 1) : end]
    return sum(point.loss for point in chosen) / len(chosen)
