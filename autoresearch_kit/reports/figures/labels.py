"""Where to put labels along a line that mostly falls, so that none covers another.

Everything left of a point and below all before it is free, since the line comes from above; a label
that has room there ends under its point. The others begin over their point, above all that follows;
a tie or a score that was measured again may let the line rise a little. A thin
vertical leader joins point and label: with labels stacked in this order, it crosses none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Point:
    """A point to be labelled and the width of its label, in pixels, y upward."""

    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Placed:
    """Where label `index` goes: from `left`, `width` wide, centred on height `y`, all in pixels."""

    index: int
    left: float
    width: float
    y: float
    below: bool

    def meets(self, other: "Placed", margin: float) -> bool:
        """Whether the two share a column of pixels, or nearly so."""
        apart = max(self.left, other.left) - min(self.left + self.width, other.left + other.width)
        return apart < margin


@dataclass(frozen=True)
class Labels:
    """The labels that fit, and the pixels that they need below and above the points."""

    placed: tuple[Placed, ...]
    lowest: float
    highest: float


def place_labels(points: Sequence[Point], left: float, line: float) -> Labels:
    """Place the labels of `points`, which must be ordered by x, with y falling.

    A rise is allowed for. `left` is the pixel where the plot begins, `line` the height of a line
    of text.
    """
    below: list[Placed] = []
    above: list[Placed] = []
    for index, point in enumerate(points):
        if point.x - point.width >= left:
            lowest = min(before.y for before in points[: index + 1])
            label = Placed(index, point.x - point.width, point.width, lowest - line, below=True)
            floor = min((b.y - line for b in below if b.meets(label, line)), default=label.y)
            below.append(replace(label, y=min(label.y, floor)))
    for index, point in reversed(list(enumerate(points))):
        if point.x - point.width < left:
            highest = max(after.y for after in points[index:])
            label = Placed(index, point.x, point.width, highest + line, below=False)
            ceiling = max((a.y + line for a in above if a.meets(label, line)), default=label.y)
            above.append(replace(label, y=max(label.y, ceiling)))
    placed = sorted((*below, *above), key=lambda label: label.index)
    heights = [label.y for label in placed]
    return Labels(tuple(placed), min(heights, default=0.0), max(heights, default=0.0))
