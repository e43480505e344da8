import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from autoresearch_kit.reports.figures.compare import Against, Group, compare
from autoresearch_kit.reports.figures.drawing import Drawing
from tests.reports.frames import BASELINE, campaign, frame


def drawn(*groups: Group, against: Against = Against.EXPERIMENTS) -> Axes:
    figure = compare(groups, against)
    assert isinstance(figure, Drawing)
    figure.canvas.draw()
    return figure.axes[0]


def named(axes: Axes) -> list[str]:
    [legend] = axes.get_figure().legends  # type: ignore[union-attr]
    return [text.get_text() for text in legend.get_texts()]


def paid(count: int, usd: float | None, requests: int | None = 1) -> pd.DataFrame:
    """A campaign whose experiments after the baseline cost `usd` each."""
    table = campaign(count).assign(usd=usd, requests=requests)
    table.loc[0, ["usd", "requests"]] = [np.nan, 0]
    return table.astype({"usd": "float64", "requests": "Int64"})


def test_a_single_campaign_is_a_line_that_ends_where_it_ends() -> None:
    line = drawn(Group("a", [campaign(20)])).lines[0]
    assert np.asarray(line.get_xdata())[-1] == 19


def test_every_campaign_starts_at_its_own_baseline() -> None:
    axes = drawn(Group("a", [campaign(20)]), Group("b", [campaign(20, baseline=5.0)]))
    starts = [np.asarray(line.get_ydata())[0] for line in axes.lines if len(line.get_xdata()) > 1]  # type: ignore[arg-type]
    assert starts == [0.0, 0.0]


def test_repeats_are_a_line_in_a_band() -> None:
    axes = drawn(Group("a", [campaign(20), campaign(30)]), Group("b", [campaign(10)]))
    assert named(axes) == ["a (median and range of 2)", "b"]
    assert len(axes.collections) == 1


def test_repeats_end_where_the_shortest_does() -> None:
    line = drawn(Group("a", [campaign(20), campaign(30)])).lines[0]
    assert np.asarray(line.get_xdata())[-1] == 19


def test_two_campaigns_of_the_same_name_are_both_drawn() -> None:
    assert named(drawn(Group("a", [campaign(20)]), Group("a", [campaign(30)]))) == ["a", "a"]


def test_a_name_is_no_formula() -> None:
    assert named(drawn(Group("$\\alpha_{", [campaign(3)]))) == ["$\\alpha_{"]


def test_dollars_are_counted_from_the_baseline() -> None:
    line = drawn(Group("llm", [paid(11, 0.5)]), against=Against.USD).lines[0]
    assert (np.asarray(line.get_xdata())[[0, -1]] == [0.0, 5.0]).all()


def test_a_campaign_that_spent_nothing_is_a_level_line() -> None:
    groups = Group("llm", [paid(11, 0.5)]), Group("optuna", [paid(11, None, requests=0)])
    axes = drawn(*groups, against=Against.USD)
    assert named(axes) == ["llm", "optuna, which spent nothing"]


def test_a_campaign_without_prices_is_left_out_by_name() -> None:
    groups = Group("llm", [paid(11, 0.5)]), Group("local", [paid(11, None)])
    axes = drawn(*groups, against=Against.USD)
    assert named(axes) == ["llm"]
    assert "(left out, no cost known: local)" in axes.get_xlabel()


def test_without_any_cost_it_says_so() -> None:
    missing = compare([Group("optuna", [paid(5, None, requests=0)])], Against.USD)
    assert "no campaign here has spent a known sum" in str(missing)


def test_without_any_score_it_says_so() -> None:
    missing = compare([Group("a", [frame([("crash", float("nan"), "x")])])])
    assert "no experiment has a score yet" in str(missing)


def test_a_baseline_alone_is_drawn() -> None:
    assert named(drawn(Group("a", [frame([BASELINE])]))) == ["a"]
