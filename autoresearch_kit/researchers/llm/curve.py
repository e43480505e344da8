"""A loss curve in a few numbers: at some moments, smoothed as a table, at its end."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median_low

from autoresearch_kit.live import Point, read_points

BINS = 20
"""Parts of a curve, each of as many of its points, over which losses are smoothed."""

SMOOTHING = f"the median of each {100 // BINS}% of its points"

MOMENTS = 8
"""Moments of training at which the loss is told in one line."""


def curve(metrics: bytes, moments: int = MOMENTS) -> str:
    """Return the loss, in nats per token, at a few moments of training; empty if there is none.

    `metrics` are the lines that the run logged; what can't be read of them is left out.
    """
    points = read_points(metrics)
    if not points:
        return ""
    last, count = points[-1], min(moments, len(points))
    steps = [round(at * (len(points) - 1) / max(1, count - 1)) for at in range(count)]
    shown = [f"{number(points[at].loss, 3)} at {points[at].seconds:.3g} s" for at in steps]
    speed = f"; {last.tokens / last.seconds:,.0f} tokens/s" if last.seconds > 0 else ""
    return f"training loss, nats a token: {', '.join(shown)}{speed}"


def smoothed(points: Sequence[Point]) -> list[Point]:
    """Return at most 20 points: the median loss of each bin, at the step in the bin's middle.

    Bins follow one another and have as many points each, but for one more or less.
    """
    count = min(BINS, len(points))
    edges = [round(at * len(points) / count) for at in range(count + 1)] if count else []
    return [_median(points[start:end]) for start, end in pairwise(edges)]


def final_loss(metrics: bytes) -> float | None:
    """Return the smoothed loss at the end, in nats per token; None if there is none to read."""
    points = smoothed(read_points(metrics))
    return points[-1].loss if points else None


def table(metrics: bytes) -> str:
    """Return the smoothed curve, a line for each point; empty if there is none to read."""
    lines = [
        f"{point.step:>8,} {point.seconds:>9.4g} {number(point.loss):>9}"
        for point in smoothed(read_points(metrics))
    ]
    return "\n".join([f"{'step':>8} {'seconds':>9} {'loss':>9}", *lines]) if lines else ""


def number(loss: float, decimals: int = 4) -> str:
    """Return a loss in so many decimals; one that is out of all bounds in few digits too."""
    return f"{loss:.{decimals}f}" if abs(loss) < 1e4 else f"{loss:.3g}"


def _median(points: Sequence[Point]) -> Point:
    middle, loss = points[len(points) // 2], median_low(point.loss for point in points)
    return Point(middle.step, middle.seconds, loss, middle.tokens)
