import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from autoresearch_kit.records.tasks import VAL_BPB
from autoresearch_kit.reports.figures.drawing import Drawing
from autoresearch_kit.reports.figures.gains import compare
from autoresearch_kit.reports.figures.x_axis import Against
from autoresearch_kit.reports.tables import frame_of
from tests.reports.frames import BASELINE, campaign, frame
from tests.reports.nights import rows


def drawn(*groups: tuple[str, list[pd.DataFrame]], against: Against = Against.EXPERIMENTS) -> Axes:
    figure = compare(groups, VAL_BPB, against)
    assert isinstance(figure, Drawing)
    figure.canvas.draw()
    return figure.axes[0]


def named(axes: Axes) -> list[str]:
    [legend] = axes.get_figure().legends  # type: ignore[union-attr]
    return [text.get_text() for text in legend.get_texts()]


def paid(count: int, usd: float | None, requests: int | None = 1) -> pd.DataFrame:
    """Return a campaign whose experiments after the baseline cost `usd` each."""
    table = campaign(count).assign(usd=usd, requests=requests)
    table.loc[0, ["usd", "requests"]] = [np.nan, 0]
    return table.astype({"usd": "float64", "requests": "Int64"})


def test_campaigns_start_and_end_at_their_own_ends() -> None:
    axes = drawn(("$\\alpha_{", [campaign(20)]), ("b", [campaign(20, baseline=5.0)]))
    curves = [np.asarray(line.get_xydata()) for line in axes.lines if np.size(line.get_xdata()) > 1]
    assert [curve[0].tolist() for curve in curves] == [[0, 0], [0, 0]]
    assert [curve[-1, 0] for curve in curves] == [19, 19]
    assert named(axes) == ["$\\alpha_{", "b"]


def test_repeats_are_a_band_up_to_the_shortest() -> None:
    axes = drawn(("a", [campaign(20), campaign(30)]), ("b", [frame([BASELINE])]))
    assert named(axes) == ["a (median and range of 2)", "b"]
    assert len(axes.collections) == 1
    assert np.asarray(axes.lines[0].get_xdata())[-1] == 19


def test_dollars_are_counted_from_the_baseline_where_known() -> None:
    spent, free, unknown = paid(11, 0.5), paid(11, None, requests=0), paid(11, None)
    groups = ("llm", [spent]), ("optuna", [free]), ("local", [unknown])
    axes = drawn(*groups, against=Against.USD)
    assert (np.asarray(axes.lines[0].get_xdata())[[0, -1]] == [0.0, 5.0]).all()
    assert named(axes) == ["llm", "optuna, which spent nothing"]
    assert axes.get_xlabel().endswith("give the prices): local)")


def test_nothing_to_compare_is_explained() -> None:
    missing = compare([("optuna", [paid(5, None, requests=0)])], VAL_BPB, Against.USD)
    assert "Nothing to compare by usd: no cost known" in str(missing)
    missing = compare([("a", [frame([("crash", float("nan"), "x")])])], VAL_BPB)
    assert "Nothing to compare by experiments: no score" in str(missing)


def test_more_devices_take_fewer_hours_and_as_many_device_hours() -> None:
    groups = [(f"{slots}", [frame_of(rows(60, slots))]) for slots in (1, 4)]
    hours, device_hours = (
        [float(np.asarray(line.get_xdata())[-1]) for line in drawn(*groups, against=by).lines[::2]]
        for by in (Against.HOURS, Against.DEVICE_HOURS)
    )
    assert hours[0] > 3.5 * hours[1]
    assert device_hours[0] == device_hours[1]
