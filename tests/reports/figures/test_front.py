"""The front of several objectives as a picture."""

from dataclasses import replace

import numpy as np

from autoresearch_kit.records import Bound, Task
from autoresearch_kit.reports.figures.drawing import Drawing, Missing
from autoresearch_kit.reports.figures.front import front
from autoresearch_kit.reports.tables import frame_of
from tests.reports.figures.reading import line_of_steps
from tests.reports.tasks import ACCURACY, FRONT, MAXIMISED, of_two_objectives, searched, shown

MEMBERS = (2, 5, 6, 8)


def drawn(task: Task, members: tuple[int, ...] = MEMBERS) -> Drawing:
    figure = front(
        frame_of(shown(of_two_objectives()).summary.table), task, members, title="digits"
    )
    assert isinstance(figure, Drawing)
    figure.canvas.draw()
    return figure


def legend(figure: Drawing) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_two_objectives_are_the_axes() -> None:
    figure = drawn(FRONT)
    [axes] = figure.axes
    assert axes.get_xlabel() == "error (share of rows, lower is better)"
    assert axes.get_ylabel() == "inference_seconds (s per row, lower is better)"
    caption = "The front: 2, 5, 6, 8. No keep is surely better than any of these"
    assert caption in axes.get_title("left")
    assert sorted(text.get_text() for text in axes.texts) == ["0", "1", "2", "5", "6", "8"]
    assert legend(figure) == [
        "bound: inference_seconds <= 4e-05",
        "discarded",
        "out of bounds",
        "kept, dominated by now",
        "the front",
    ]


def test_keeps_that_no_person_approved_are_not_called_dominated() -> None:
    table = shown(of_two_objectives()).summary.table
    frame = frame_of([replace(row, held=row.number in (0, 1)) for row in table])
    figure = front(frame, FRONT, MEMBERS)
    assert isinstance(figure, Drawing)
    assert "kept, dominated by now" not in legend(figure)
    assert "kept, not approved" in legend(figure)


def test_a_bound_off_the_picture_is_not_in_its_legend() -> None:
    far = replace(FRONT, bounds=(Bound("inference_seconds", 0.5),))
    assert not [label for label in legend(drawn(far)) if label.startswith("bound")]


def test_the_legend_counts_what_is_off_the_picture() -> None:
    frame = frame_of(shown(of_two_objectives()).summary.table)
    frame.loc[frame["number"] == 3, "score"] = 0.9
    figure = front(frame, FRONT, MEMBERS)
    assert isinstance(figure, Drawing)
    assert "discarded, 1 off the picture" in legend(figure)


def steps(figure: Drawing) -> np.ndarray:
    [line] = [each for each in figure.axes[0].lines if each.get_drawstyle() == "steps-post"]
    return np.asarray(line.get_xydata())


def test_steps_lead_along_the_front() -> None:
    x, y = line_of_steps(drawn(FRONT)).T
    assert x[1:-1].tolist() == [0.041, 0.047, 0.055, 0.064]
    assert (np.diff(x) >= 0).all()
    assert (np.diff(y) <= 0).all()


def test_a_maximised_objective_turns_the_steps_around() -> None:
    higher = replace(ACCURACY, name="error")
    task = replace(FRONT, metrics=(higher,), bounds=(Bound("error", 0.05, at_most=False),))
    x, y = line_of_steps(drawn(task, (0, 2, 10))).T
    assert x[1:-1].tolist() == [0.09, 0.082, 0.064]
    assert (np.diff(x) <= 0).all()
    assert (np.diff(y) <= 0).all()


def test_three_objectives_are_drawn_in_pairs() -> None:
    task = replace(FRONT, objectives=(*FRONT.objectives, "submission_mb"))
    assert len(drawn(task).axes) == 3


def test_one_objective_has_no_front() -> None:
    frame = frame_of(shown(searched(MAXIMISED, 0.9, 0.004, 5)).summary.table)
    missing = front(frame, MAXIMISED, (0,), title="pets")
    assert isinstance(missing, Missing)
    assert str(missing) == "pets has one objective, accuracy: its front is its best."
