import json

import pandas as pd
import pytest

from autoresearch_kit.reports.figures.drawing import render
from autoresearch_kit.reports.figures.loss_curves import loss_curves, read_curve


def metrics(losses: list[float]) -> bytes:
    lines = [
        json.dumps({"step": step, "seconds": step / 10, "loss": loss, "tokens": step * 2048})
        for step, loss in enumerate(losses)
    ]
    return "\n".join(lines).encode()


def test_a_curve_is_read_without_its_broken_lines() -> None:
    curve = read_curve(metrics([7.0, 6.5]) + b'\n{"step": 2, "sec\n[1]\n{"step": "x"}\n\xff')
    assert list(curve["loss"]) == [7.0, 6.5]
    assert list(curve.columns) == ["step", "seconds", "loss", "tokens"]


def test_an_empty_curve_keeps_its_columns() -> None:
    assert list(read_curve(b"").columns) == ["step", "seconds", "loss", "tokens"]


def test_each_curve_is_named() -> None:
    curve = read_curve(metrics([7.0, 5.0, 4.0]))
    figure = loss_curves({"baseline": curve, "best (12)": curve}, title="night")
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["baseline", "best (12)"]


def test_the_first_losses_do_not_flatten_the_rest() -> None:
    curve = read_curve(metrics([70.0] * 5 + [3 - step / 100 for step in range(100)]))
    _, high = loss_curves({"baseline": curve}).axes[0].get_ylim()
    assert high < 4


def test_a_name_is_no_formula() -> None:
    figure = loss_curves({"3: $\\alpha_{ for $5\n": read_curve(metrics([7.0, 5.0]))})
    assert render(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize("curves", [{}, {"baseline": read_curve(b"")}])
def test_no_curve_is_said(curves: dict[str, pd.DataFrame]) -> None:
    assert [text.get_text() for text in loss_curves(curves).axes[0].texts] == ["no loss yet"]
