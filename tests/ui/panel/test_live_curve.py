"""The drawing of the run under way against the best."""

from xml.etree import ElementTree

from autoresearch_kit.execution.live import Point
from autoresearch_kit.ui.panel.live_curve import live_curve, versus

BEST = [Point(n, n, 5 - n / 100) for n in range(0, 300, 3)]
RUN = [Point(n, n, 4.9 - n / 100) for n in range(0, 90, 3)]


def test_both_lines_are_drawn() -> None:
    drawing = ElementTree.fromstring(live_curve(RUN, BEST, 300))
    assert len(drawing.findall("polyline")) == 2


def test_before_the_first_point_there_is_nothing() -> None:
    assert live_curve([], [], 300) == ""


def test_a_first_point_alone_is_drawn() -> None:
    assert "this run" in live_curve(RUN[:1], [], 300)


def test_a_start_that_is_far_above_does_not_flatten_the_rest() -> None:
    drawing = live_curve([Point(0, 0.1, 7777.0), *RUN[12:]], BEST, 300)
    assert "7777" not in drawing


def test_it_is_held_against_the_best_at_the_same_second() -> None:
    assert versus(RUN, BEST).endswith("0.100 lower than the best's there")
    assert versus([], BEST) == ""
