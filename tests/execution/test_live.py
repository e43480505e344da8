"""Loss curves as they grow under the reader's eyes."""

from pathlib import Path

from autoresearch_kit.execution import live
from autoresearch_kit.execution.live import Curve, Point, thinned

LINE = b'{"step": %d, "seconds": %d, "loss": 2.5, "tokens": 10}\n'


def test_a_growing_curve_is_read_incrementally(tmp_path: Path) -> None:
    curve = Curve(tmp_path / "metrics.jsonl")
    read = []
    for lines in (None, LINE % (1, 1), LINE % (1, 1) + LINE % (2, 2)):
        if lines:
            curve.path.write_bytes(lines)
        curve.read()
        read.append([point.step for point in curve.points])
    assert read == [[], [1], [1, 2]]


def test_a_torn_line_waits_for_its_end() -> None:
    curve, line = Curve(Path()), LINE % (7, 7)
    curve.add(line[:20])
    assert curve.points == []
    curve.add(line[20:])
    assert curve.points == [Point(7, 7.0, 2.5, 10)]


def test_a_curve_stays_small_whatever_is_logged() -> None:
    curve = Curve(Path())
    for _ in range(3):
        curve.add(b"x" * live.PIECE)
    curve.add(b"\n" + b"".join(LINE % (n, n) for n in range(3 * live.MOST_POINTS)))
    assert len(curve.points) <= live.MOST_POINTS
    assert curve.points[-1].step == 3 * live.MOST_POINTS - 1


def test_a_thinned_curve_keeps_its_ends() -> None:
    points = [Point(n, n, 1.0) for n in range(1000)]
    kept = thinned(points, most=100)
    assert len(kept) <= 101
    assert (kept[0].step, kept[-1].step) == (0, 999)
