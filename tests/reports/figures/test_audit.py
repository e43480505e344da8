"""The held-out audit as a picture."""

import numpy as np
import pytest
from matplotlib.colors import same_color

from autoresearch_kit.reports.figures.audit import audit
from autoresearch_kit.reports.figures.drawing import VERMILLION, Drawing, Missing
from autoresearch_kit.verdicts.audit import Audited, SecondOpinion

KEEPS = (
    Audited(0, 1.5, 1.6, 0.0),
    Audited(3, 1.4, 1.51, 0.01),
    Audited(9, 1.3, 1.49, 0.09),
)
WARNING = "since the baseline, experiment 9 gained 0.2 bits per byte on val: " + "they part " * 30


def drawn(*keeps: Audited, allowed: float | None = 0.02, warning: str = "") -> Drawing:
    figure = audit(SecondOpinion(keeps, allowed, warning), title="night")
    assert isinstance(figure, Drawing)
    figure.canvas.draw()
    return figure


def lines(figure: Drawing) -> dict[str, list[float]]:
    """The heights of each line, by its name."""
    found = figure.axes[0].lines
    return {str(line.get_label()): np.asarray(line.get_ydata()).tolist() for line in found}


def test_gains_since_the_baseline_are_drawn_for_both_shards() -> None:
    val, audited = list(lines(drawn(*KEEPS)).values())[:2]
    assert val == pytest.approx([0.0, 0.1, 0.2])
    assert audited == pytest.approx([0.0, 0.09, 0.11])


def test_keeps_whose_gains_differ_are_marked() -> None:
    assert lines(drawn(*KEEPS))["differs"] == pytest.approx([0.11])
    assert "differs" not in lines(drawn(*KEEPS[:2]))


def test_the_whole_warning_is_within_the_picture() -> None:
    figure = drawn(*KEEPS, warning=WARNING)
    title = figure.axes[0].get_title(loc="left")
    assert " ".join(title.split()) == WARNING.strip()
    assert same_color(figure.axes[0]._left_title.get_color(), VERMILLION)  # type: ignore[attr-defined]
    assert figure.axes[0]._left_title.get_window_extent().x1 < figure.bbox.x1  # type: ignore[attr-defined]


def test_agreement_is_mentioned() -> None:
    said = drawn(*KEEPS[:2]).axes[0].get_title(loc="left")
    assert said == "the best's gain on audit equals that on val, to within 2 sigma (0.02)"


def test_without_noise_nothing_differs() -> None:
    figure = drawn(*KEEPS, allowed=None)
    assert "differs" not in lines(figure)
    assert "the noise is not known" in figure.axes[0].get_title(loc="left")


@pytest.mark.parametrize(
    ("keeps", "why"), [((), "No baseline was scored"), (KEEPS[:1], "Only the baseline was scored")]
)
def test_nothing_to_compare_is_explained(keeps: tuple[Audited, ...], why: str) -> None:
    missing = audit(SecondOpinion(keeps, 0.02, ""), title="night")
    assert isinstance(missing, Missing)
    assert why in str(missing)
