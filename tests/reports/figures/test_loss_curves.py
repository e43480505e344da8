import json

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
    for read in (curve, read_curve(b"")):
        assert list(read.columns) == ["step", "seconds", "loss", "tokens"]


def test_each_curve_is_named_by_its_literal_idea() -> None:
    curve = read_curve(metrics([7.0, 5.0, 4.0]))
    figure = loss_curves({"0: baseline": curve, "3: $\\alpha_{ for $5\n": curve}, title="night")
    assert figure._repr_png_().startswith(b"\x89PNG")
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "0: baseline",
        "3: $\\alpha_{ for $5",
    ]


def test_the_first_losses_do_not_flatten_the_rest() -> None:
    curve = read_curve(metrics([70.0] * 5 + [3 - step / 100 for step in range(100)]))
    assert loss_curves({"baseline": curve}).axes[0].get_ylim()[1] < 4


def test_without_a_loss_there_is_a_sentence() -> None:
    for curves in ({}, {"baseline": read_curve(b"")}):
        said = [text.get_text() for text in loss_curves(curves).axes[0].texts]
        assert said == ["no loss was logged"]
