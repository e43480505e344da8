"""A loss curve in a few numbers."""

from collections.abc import Sequence

from autoresearch_kit.live import Point, read_points


def curve(metrics: bytes, points: int = 8) -> str:
    """The loss, in nats per token, at a few moments of training; empty if there is none to read.

    `metrics` are the lines that the run logged; what can't be read of them is left out.
    """
    found = read_points(metrics)
    if not found or points < 2:
        return ""
    moments = ", ".join(f"{one.loss:.3f} at {one.seconds:.3g} s" for one in _spread(found, points))
    last = found[-1]
    speed = f"; {last.tokens / last.seconds:,.0f} tokens/s" if last.seconds > 0 else ""
    return f"training loss, nats a token: {moments}{speed}"


def _spread(found: Sequence[Point], count: int) -> list[Point]:
    """Points at even steps of time, the first and the last among them."""
    count = min(count, len(found))
    if count < 2:
        return list(found)
    return [found[round(at * (len(found) - 1) / (count - 1))] for at in range(count)]
