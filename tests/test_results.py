"""What a campaign's git says, as frames and figures; and the notebook that shows them."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest

from autoresearch_kit import reporting
from autoresearch_kit.errors import InputError
from autoresearch_kit.records import Proposal, Reason, Usage, Verdict
from autoresearch_kit.results import Results, campaigns, compare, results
from autoresearch_kit.ui.compare import compare as draw
from tests.researchers.llm.conftest import CURVE, Ledger, ledger
from tests.ui.frames import campaign

__all__ = ["ledger"]

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "results.ipynb"


@pytest.fixture
def night(ledger: Ledger) -> Results:
    """A baseline, a discard, two keeps, a crash."""
    ledger.constants(1, WIDTH=4)
    ledger.constants(2, 1.58, WIDTH=16)
    wider = Proposal(3, 2, "llm", "Batches of 8", "", "optimizer", constants={"BATCH": 8})
    ledger.add(wider, Verdict.KEEP, Reason.BETTER, 1.5, metrics=CURVE)
    ledger.constants(4, None, BATCH=16)
    return results("night", ledger.root)


def test_the_campaigns_of_a_project(night: Results) -> None:
    assert campaigns(night.ledger.root) == ["night"]


def test_an_unknown_campaign_names_those_there_are(night: Results) -> None:
    with pytest.raises(InputError, match="no campaign 'day' in this project; there: night"):
        results("day", night.ledger.root)


def test_the_summary_says_how_it_went(night: Results) -> None:
    summary = night.summary
    assert (summary.experiments, summary.kept, summary.crashed) == (4, 2, 1)
    assert (summary.baseline, summary.best) == (1.6, 1.5)
    assert summary.gain == pytest.approx(0.1)
    assert summary.training_share == pytest.approx(300 / 330)
    assert "1.500000, 0.100000 (6.25%) lower" in night._repr_markdown_()


def test_dollars_are_held_against_what_they_bought(night: Results) -> None:
    assert night.summary.usd_per_millibit is None
    paid = type(night.summary)(**{**vars(night.summary), "usage": Usage(requests=9, usd=5.0)})
    assert paid.usd_per_millibit == pytest.approx(0.05)
    assert "0.050 USD for each 0.001 bits per byte" in paid._repr_markdown_()


def test_keeps_come_largest_gain_first(night: Results) -> None:
    assert list(night.keeps().index) == [3, 2]
    assert list(night.keeps()["delta"].round(6)) == [-0.08, -0.02]


def test_ideas_are_counted_by_category(night: Results) -> None:
    table = night.categories()
    assert table.loc["optimizer", "gain"] == pytest.approx(0.08)
    assert int(table["tried"].sum()) == 4


def test_crashes_are_counted_by_reason(night: Results) -> None:
    assert night.crashes().loc["out of memory", "times"] == 1


def test_time_is_told_by_part(night: Results) -> None:
    assert night.time().loc["training", "seconds"] == 1500.0


def test_the_diff_goes_from_the_baseline_to_the_best(night: Results) -> None:
    diff = str(night.diff())
    assert "+WIDTH = 16" in diff
    assert "+BATCH = 8" in diff


def test_the_table_can_be_filtered(night: Results) -> None:
    assert list(night.table().index) == [4, 3, 2, 1, 0]
    assert list(night.table(status="keep").index) == [3, 2, 0]
    with pytest.raises(InputError, match="no column 'stats'; there are: status"):
        night.table(stats="keep")


def test_curves_without_a_log_are_drawn_all_the_same(night: Results) -> None:
    assert night.curves()._repr_png_().startswith(b"\x89PNG")
    assert night.curves(1, 2)._repr_png_().startswith(b"\x89PNG")


def test_what_campaigns_can_be_held_against(night: Results) -> None:
    for against in ("experiments", "hours", "usd"):
        assert compare(night, against=against)._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="choose one of: experiments, hours, usd"):
        compare(night, against="days")


def test_a_single_campaign_is_a_line_that_ends_where_it_ends() -> None:
    [line] = draw({"a": [campaign(20)]}).axes[0].lines
    assert np.asarray(line.get_xdata())[-1] == 19


def test_repeats_are_a_line_in_a_band() -> None:
    axes = draw({"a": [campaign(20), campaign(30)], "b": [campaign(10)]}).axes[0]
    assert [line.get_label() for line in axes.lines] == ["a (2 campaigns)", "b"]
    assert len(axes.collections) == 1


def test_a_report_says_which_notebook_is_missing(night: Results, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no notebooks/results\.ipynb in"):
        reporting.report(night.ledger.root, "night", [], tmp_path / "report.html")


@pytest.mark.slow
def test_the_notebook_runs_to_its_end_as_a_report(night: Results, tmp_path: Path) -> None:
    place = night.ledger.root / "notebooks" / "results.ipynb"
    place.write_text(NOTEBOOK.read_text())
    reporting.report(night.ledger.root, "night", ["night"], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "Batches of 8" in page
    assert page.count("<img ") == 4
    assert "google.colab" not in page


def test_the_notebook_only_calls_the_package_and_holds_no_output() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    for cell in (cell for cell in cells if cell["cell_type"] == "code"):
        nodes = ast.walk(ast.parse("".join(cell["source"])))
        assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in nodes)
        assert (cell["outputs"], cell["execution_count"]) == ([], None)
        assert cell["id"] == cell["metadata"]["name"]
