"""The held-out audit as a picture."""

import numpy as np
import pytest
from matplotlib.colors import same_color

from autoresearch_kit.reports.figures.drawing import VERMILLION, Drawing, Missing
from autoresearch_kit.reports.figures.gains import audit
from autoresearch_kit.verdicts.audit import Audited, SecondOpinion

KEEPS = Audited(0, 1.5, 1.6, 0.0), Audited(3, 1.4, 1.51, 0.01), Audited(9, 1.3, 1.49, 0.09)
WARNING = "since the baseline, experiment 9 gained 0.2 bits per byte on val: " + "they part " * 30


def drawn(*keeps: Audited, allowed: float | None = 0.02, warning: str = "") -> Drawing:
    figure = audit(SecondOpinion(keeps, allowed, warning), title="night")
    assert isinstance(figure, Drawing)
    figure.canvas.draw()
    return figure


def lines(figure: Drawing) -> dict[str, list[float]]:
    """Return the heights of each line, by its name."""
    return {
        str(line.get_label()): list(np.asarray(line.get_ydata())) for line in figure.axes[0].lines
    }


def test_gains_since_the_baseline_are_drawn_and_differences_marked() -> None:
    val, audited, differing = lines(drawn(*KEEPS)).values()
    assert val == pytest.approx([0.0, 0.1, 0.2])
    assert audited == pytest.approx([0.0, 0.09, 0.11])
    assert differing == pytest.approx([0.11])


def test_the_whole_warning_is_within_the_picture() -> None:
    figure = drawn(*KEEPS, warning=WARNING)
    title = figure.axes[0]._left_title  # type: ignore[attr-defined]
    assert " ".join(title.get_text().split()) == WARNING.strip()
    assert same_color(title.get_color(), VERMILLION)
    assert title.get_window_extent().x1 < figure.bbox.x1


@pytest.mark.parametrize(
    ("keeps", "allowed", "said"),
    [
        (KEEPS[:2], 0.02, "gain on audit equals that on val, to within 2 sigma (0.02)"),
        (KEEPS, None, "the noise is not known"),
    ],
)
def test_gains_that_agree_are_not_marked(
    keeps: tuple[Audited, ...], allowed: float | None, said: str
) -> None:
    figure = drawn(*keeps, allowed=allowed)
    assert said in figure.axes[0].get_title("left")
    assert "differs" not in lines(figure)


@pytest.mark.parametrize(
    ("keeps", "why"), [((), "No baseline was scored"), (KEEPS[:1], "Only the baseline was scored")]
)
def test_nothing_to_compare_is_explained(keeps: tuple[Audited, ...], why: str) -> None:
    missing = audit(SecondOpinion(keeps, 0.02, ""), title="night")
    assert isinstance(missing, Missing)
    assert why in str(missing)
