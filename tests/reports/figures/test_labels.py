import random
from dataclasses import replace
from itertools import combinations

from autoresearch_kit.reports.figures.labels import Labels, Placed, Point, place_labels

LEFT, LINE = 80.0, 15.0


def falling(seed: int, count: int = 30) -> list[Point]:
    rng = random.Random(seed)
    xs = sorted(rng.uniform(LEFT, 1100) for _ in range(count))
    ys = sorted((rng.uniform(0, 500) for _ in range(count)), reverse=True)
    return [Point(x, y, rng.uniform(30, 250)) for x, y in zip(xs, ys, strict=True)]


def covers(a: Placed, b: Placed) -> bool:
    return a.meets(b, 0) and abs(a.y - b.y) < LINE - 1e-6


def crossings(points: list[Point], labels: Labels) -> list[tuple[int, int]]:
    """Leaders, as (label, crossed label)."""
    found = []
    for label, other in [(a, b) for a in labels.placed for b in labels.placed if a is not b]:
        point = points[label.index]
        low, high = sorted((point.y, label.y))
        if other.left < point.x < other.left + other.width and low < other.y < high:
            found.append((label.index, other.index))
    return found


def test_no_label_covers_another_and_no_leader_crosses_one() -> None:
    for seed in range(50):
        points = falling(seed)
        labels = place_labels(points, LEFT, LINE)
        assert len(labels.placed) == len(points)
        assert not [pair for pair in combinations(labels.placed, 2) if covers(*pair)]
        assert not crossings(points, labels)


def test_a_label_goes_left_below_where_there_is_room() -> None:
    labels = place_labels([Point(100, 300, 50), Point(500, 200, 50)], LEFT, LINE)
    assert [label.below for label in labels.placed] == [False, True]
    assert labels.placed[1] == Placed(1, 450, 50, 185, below=True)
    assert (labels.lowest, labels.highest) == (185, 315)


def test_nothing_to_label_needs_no_room() -> None:
    assert place_labels([], LEFT, LINE) == Labels((), 0, 0)


def test_a_line_that_rises_at_times_is_labelled_as_well() -> None:
    for seed in range(50):
        rng = random.Random(seed)
        points = [replace(point, y=point.y + rng.gauss(0, 30)) for point in falling(seed)]
        labels = place_labels(points, LEFT, LINE)
        assert not [pair for pair in combinations(labels.placed, 2) if covers(*pair)]
        assert not crossings(points, labels)
