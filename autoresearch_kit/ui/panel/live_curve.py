"""The loss curve of the run under way against the best's, as a small drawing in the page."""

from bisect import bisect_right
from collections.abc import Sequence

from autoresearch_kit.execution.live import Point
from autoresearch_kit.ui.panel.style import BEST, RUN

WIDTH, HEIGHT = 900, 230
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 26, 34

SETTLED = 0.1
"""Of the budget; a loss before that is so high that it would flatten the rest."""

OVER = 1.1
"""Times the budget: how far a run's last point may be beyond it and still be drawn at its end."""


def live_curve(run: Sequence[Point], best: Sequence[Point], budget: float) -> str:
    """An SVG in the page's own text colour; empty while neither has a point.

    `budget` is in training seconds, and how far the axis goes.
    """
    if not run and not best:
        return ""
    longest = max(curve[-1].seconds for curve in (run, best) if curve)
    seconds = budget if longest < OVER * budget else longest
    low, high = _bounds([*run, *best], SETTLED * seconds)
    lines = [
        _line(curve, colour, seconds, low, high)
        for curve, colour in ((best, BEST), (run, RUN))
        if curve
    ]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" fill="currentColor" font-size="12" '
        'aria-label="training loss of this run and of the best, against training seconds">'
        f"{_grid(low, high)}{_times(seconds)}{''.join(lines)}{_legend(bool(run), bool(best))}</svg>"
    )


def versus(run: Sequence[Point], best: Sequence[Point]) -> str:
    """How this run stands against the best at the same training second; empty if it can't be said.

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


def _bounds(points: Sequence[Point], settled: float) -> tuple[float, float]:
    losses = [point.loss for point in points if point.seconds >= settled]
    losses = losses or [point.loss for point in points]
    margin = 0.06 * (max(losses) - min(losses)) or 0.05
    return min(losses) - margin, max(losses) + margin


def _x(seconds: float, most: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * min(seconds / most, 1.0)


def _y(loss: float, low: float, high: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (high - min(loss, high)) / (high - low)


def _line(curve: Sequence[Point], colour: str, most: float, low: float, high: float) -> str:
    places = " ".join(f"{_x(p.seconds, most):.1f},{_y(p.loss, low, high):.1f}" for p in curve)
    return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.8"/>'


def _grid(low: float, high: float) -> str:
    marks = []
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        loss = low + (high - low) * part
        y = _y(loss, low, high)
        marks.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
            'stroke="currentColor" stroke-opacity=".15"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{loss:.2f}</text>'
        )
    return "".join(marks)


def _times(seconds: float) -> str:
    y = HEIGHT - BOTTOM + 16
    marks = "".join(
        f'<text x="{_x(seconds * part, seconds):.1f}" y="{y}" text-anchor="{anchor}">'
        f"{seconds * part:.3g}</text>"
        for part, anchor in ((0.0, "middle"), (0.25, "middle"), (0.5, "middle"), (0.75, "middle"),
                             (1.0, "end"))
    )  # fmt: skip
    middle = (LEFT + WIDTH - RIGHT) / 2
    return (
        f'{marks}<text x="{middle}" y="{HEIGHT - 3}" text-anchor="middle">training seconds</text>'
    )


def _legend(run: bool, best: bool) -> str:
    x, items = LEFT, []
    for word, colour, there in (("this run", RUN, run), ("the best", BEST, best)):
        if there:
            items.append(
                f'<line x1="{x}" x2="{x + 22}" y1="10" y2="10" stroke="{colour}" stroke-width="3"/>'
                f'<text x="{x + 28}" y="14">{word}</text>'
            )
            x += 110
    title = f'<text x="{WIDTH - RIGHT}" y="14" text-anchor="end">training loss, nats a token</text>'
    return "".join(items) + title
