"""A loss curve in a few numbers: at some moments, smoothed as a table, at its end."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median_low

from autoresearch_kit.execution.live import Point, read_points

BINS = 20
"""Parts of a curve, each of as many of its points, over which losses are smoothed."""

SMOOTHING = f"the median of each {100 // BINS}% of its points"
"""How, in words."""


def curve(metrics: bytes, points: int = 8) -> str:
    """The loss, in nats per token, at a few moments of training; empty if there is none to read.

    `metrics` are the lines that the run logged; what can't be read of them is left out.
    """
    found = read_points(metrics)
    if not found or points < 2:
        return ""
    moments = ", ".join(
        f"{number(one.loss, 3)} at {one.seconds:.3g} s" for one in _spread(found, points)
    )
    last = found[-1]
    speed = f"; {last.tokens / last.seconds:,.0f} tokens/s" if last.seconds > 0 else ""
    return f"training loss, nats a token: {moments}{speed}"


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
        f"{one.step:>8,} {one.seconds:>9.4g} {number(one.loss):>9}"
        for one in smoothed(read_points(metrics))
    ]
    return "\n".join([f"{'step':>8} {'seconds':>9} {'loss':>9}", *lines]) if lines else ""


def number(loss: float, decimals: int = 4) -> str:
    """Return a loss in so many decimals; one that is out of all bounds in few digits too."""
    return f"{loss:.{decimals}f}" if abs(loss) < 1e4 else f"{loss:.3g}"


def _median(points: Sequence[Point]) -> Point:
    middle = points[len(points) // 2]
    return Point(middle.step, middle.seconds, median_low(one.loss for one in points), middle.tokens)


def _spread(found: Sequence[Point], count: int) -> list[Point]:
    """Points at even steps of time, the first and the last among them."""
    count = min(count, len(found))
    if count < 2:
        return list(found)
    return [found[round(at * (len(found) - 1) / (count - 1))] for at in range(count)]
