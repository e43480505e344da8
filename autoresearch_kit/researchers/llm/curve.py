"""A loss curve in few numbers: in one line, or as a table."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median_low

from autoresearch_kit.live import Point, read_points

BINS = 20
"""Parts of a curve, each of as many of its points, over which losses are smoothed."""

MOMENTS = 8
"""Moments of training at which the loss is told in one line, the last among them."""


def curve(metrics: bytes) -> str:
    """Return the smoothed loss, in nats per token, at a few moments; empty if there is none.

    `metrics` are the lines that the run logged; what can't be read of them is left out.
    """
    points = smoothed(read_points(metrics))
    if not points:
        return ""
    last, count = points[-1], min(MOMENTS, len(points))
    spread = [points[round(at * (len(points) - 1) / max(1, count - 1))] for at in range(count)]
    shown = ", ".join(f"{_number(point.loss, 3)} at {point.seconds:.3g} s" for point in spread)
    speed = f"; {last.tokens / last.seconds:,.0f} tokens/s" if last.seconds > 0 else ""
    return f"training loss, nats a token, smoothed: {shown}{speed}"


def table(metrics: bytes) -> str:
    """Return the smoothed curve, a line for each point; empty if there is none to read."""
    lines = [
        f"{point.step:>8,} {point.seconds:>9.4g} {_number(point.loss, 4):>9}"
        for point in smoothed(read_points(metrics))
    ]
    return "\n".join([f"{'step':>8} {'seconds':>9} {'loss':>9}", *lines]) if lines else ""


def smoothed(points: Sequence[Point]) -> list[Point]:
    """Return at most 20 points: the median loss of each bin, at the step in the bin's middle.

    Bins follow one another and have as many points each, but for one more or less.
    """
    count = min(BINS, len(points))
    edges = [round(at * len(points) / count) for at in range(count + 1)] if count else []
    return [_median(points[start:end]) for start, end in pairwise(edges)]


def _number(loss: float, decimals: int) -> str:
    """Return a loss in so many decimals; one that is out of all bounds in few digits."""
    return f"{loss:.{decimals}f}" if abs(loss) < 1e4 else f"{loss:.3g}"


def _median(points: Sequence[Point]) -> Point:
    middle, loss = points[len(points) // 2], median_low(point.loss for point in points)
    return Point(middle.step, middle.seconds, loss, middle.tokens)
