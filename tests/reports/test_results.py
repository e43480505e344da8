"""Tables and figures of what git has of a campaign, and the notebook that shows them."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from nbconvert import HTMLExporter
from nbformat import read
from nbformat.v4 import new_markdown_cell, new_notebook

from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.errors import InputError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import Entry, History
from autoresearch_kit.records import (
    Limits,
    Noise,
    Proposal,
    Reason,
    SandboxLevel,
    Stage,
    State,
    Verdict,
)
from autoresearch_kit.records.text import markdown_table
from autoresearch_kit.reports import html
from autoresearch_kit.reports.experiment import experiment_rows
from autoresearch_kit.reports.figures.drawing import Drawing, Missing
from autoresearch_kit.reports.figures.table import Table
from autoresearch_kit.reports.results import Results, campaigns, compare, results
from autoresearch_kit.reports.summary import summary_of
from autoresearch_kit.reports.tables import TSV_COLUMNS
from tests.ledger import ledger
from tests.ledger.ledger import repeated
from tests.reports import nights
from tests.researchers.llm.conftest import CURVE, begin

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "results.ipynb"
LOG = Path(__file__).parents[1] / "data" / "h100_mar8_results.tsv"
HOSTILE = "a | b ` $x$ [l](u) *s* <script>alert(1)</script>\n\n# head\n| c |"


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Return a baseline, a discard, two keeps, a crash."""
    ledger = begin(tmp_path_factory.mktemp("night") / "project")
    ledger.constants(1, WIDTH=4)
    ledger.constants(2, 1.58, WIDTH=16)
    wider = Proposal(3, 2, "llm", "Batches of 8", "", "optimizer", constants={"BATCH": 8})
    ledger.add(wider, Verdict.KEEP, Reason.BETTER, 1.5, metrics=CURVE)
    ledger.constants(4, None, BATCH=16)
    return results("night", ledger.root)


@pytest.fixture(scope="module")
def log() -> Results:
    """Return upstream's own night."""
    return results(str(LOG))


def test_campaigns_are_those_in_git(night: Results) -> None:
    assert night.history is not None
    assert campaigns(night.history.root) == ["night"]
    with pytest.raises(InputError, match="no campaign 'day' in this project; there: night"):
        results("day", night.history.root)


def test_the_summary_says_how_it_went(night: Results) -> None:
    assert night.history is not None
    for shown in (night, Campaign("night", root=night.history.root)):
        words = shown._repr_markdown_()
        assert "4: 2 kept, 1 crashed" in words
        assert "1.500000, 0.100000 (6.25%) lower" in words
        assert "90.9% of the wall-clock was training" in words
    assert "not run here" in words


def test_tables_say_what_helped_and_what_failed(night: Results) -> None:
    assert list(night.keeps().index) == [3, 2]
    assert list(night.keeps()["delta"].round(6)) == [-0.08, -0.02]
    categories = night.categories()
    assert categories.loc["optimizer", "gain"] == pytest.approx(0.08)
    assert int(categories["tried"].sum()) == 4
    assert night.crashes().loc["out of memory", "times"] == 1
    time = night.time()
    assert isinstance(time, Table)
    assert time.loc["training", "seconds"] == 1500.0
    assert all(line in str(night.diff()) for line in ("+WIDTH = 16", "+BATCH = 8"))


def test_the_table_can_be_filtered(night: Results) -> None:
    assert list(night.table().index) == [4, 3, 2, 1, 0]
    assert list(night.table(status="keep").index) == [3, 2, 0]
    assert list(night.table(idea="BATCHES of").index) == [3]
    assert list(night.table(parent=2).index) == [3]
    with pytest.raises(InputError, match="no column 'stats'; there are: status"):
        night.table(stats="keep")


def test_loss_curves_are_drawn_by_number(night: Results) -> None:
    drawn = night.curves()
    assert isinstance(drawn, Drawing)
    assert drawn._repr_png_().startswith(b"\x89PNG")
    assert "These runs of night logged no loss" in str(night.curves(1, 2))
    with pytest.raises(InputError, match="no experiment 9 in 'night'; there: 0 to 4"):
        night.curves(9)


def test_campaigns_are_compared(night: Results, log: Results) -> None:
    assert isinstance(compare(night, [night, night], against="hours"), Drawing)
    drawn = compare(night, log)
    assert isinstance(drawn, Drawing)
    [legend] = drawn.legends
    named = [text.get_text() for text in legend.get_texts()]
    assert named == ["night", "data/h100_mar8_results.tsv"]
    with pytest.raises(InputError, match="choose one of: experiments, hours, device-hours, usd"):
        compare(night, against="days")


def test_upstreams_log_is_summarised_without_columns_that_it_lacks(log: Results) -> None:
    words = log._repr_markdown_()
    assert "125: 22 kept, 1 crashed" in words
    assert "0.969686, 0.028214 (2.83%) lower" in words
    assert "not recorded" in words
    assert len(log.keeps()) == 22
    assert log.keeps()["idea"].iloc[0] == "halve batch 524K to 262K (more steps in 5 min)"
    assert list(log.table()) == ["status", "val_bpb", "delta", "idea"]
    assert list(log.crashes()) == ["times", "last", "idea"]


def test_errors_repeats_and_sandboxes_are_told_where_there_are_any() -> None:
    first, second = (
        repeated(ledger.experiment(number), *scores, noise=Noise(0.01, 5.0))
        for number, scores in ((0, (1.5, 1.6)), (1, (1.4,)))
    )
    boxed = replace(second.runs[0], sandbox=SandboxLevel.BUBBLEWRAP)
    entries = [Entry(each, "", "") for each in (first, replace(second, runs=(boxed,)))]
    shown = Results(summary_of("night", entries))
    assert {"val_bpb_se", "scores", "delta_se", "sandbox"} <= set(shown.table())
    assert ">1.5500 ± 0.0071<" in shown.table()._repr_html_()
    assert ">-0.150 ± 0.012<" in shown.keeps()._repr_html_()


def test_what_was_not_recorded_is_said_in_a_sentence(night: Results, log: Results) -> None:
    assert "No baseline was scored on the audit data in night" in str(night.audit())
    without = log.time(), log.curves(), log.diff(), log.audit(), log.confirmation(), log.slots()
    for missing in (*without, log.progress_of_devices("hours")):
        assert isinstance(missing, Missing)
        assert "data/h100_mar8_results.tsv" in str(missing)
    for against in ("hours", "usd"):
        assert "Nothing to compare by" in str(compare(log, against=against))


@pytest.mark.parametrize("rows", ["keep", "keep discard crash", "crash crash"])
def test_a_campaign_that_gained_nothing_is_shown(rows: str, tmp_path: Path) -> None:
    path, statuses = tmp_path / "results.tsv", rows.split()
    lines = ["\t".join(TSV_COLUMNS), *(f"abc\t1.5\t0.9\t{status}\tidea" for status in statuses)]
    path.write_text("\n".join(lines))
    shown = results(str(path))
    assert shown.keeps()._repr_html_() == "<p>none</p>"
    assert "-0.0" not in shown.categories()._repr_html_()
    assert shown.table()._repr_html_().count("</td>") >= 3 * len(statuses)
    assert shown.progress()._repr_png_().startswith(b"\x89PNG")
    assert f"{len(statuses) - 1}: 0 kept" in shown._repr_markdown_()


def test_an_idea_cannot_break_out_of_its_line(night: Results) -> None:
    assert night.history is not None
    tried = night.history.experiment(1)
    rows = experiment_rows(replace(tried, proposal=replace(tried.proposal, idea=HOSTILE)))
    shown = markdown_table("night 1", rows)
    notebook = new_notebook(cells=[new_markdown_cell(shown)])
    page = str(HTMLExporter().from_notebook_node(notebook)[0])
    assert page.count("<td>") == 2 * len(rows)
    assert "a | b ` $x$ [l](u) *s* &lt;script&gt;alert(1)&lt;/script&gt; # head | c |" in page


def test_a_report_says_which_notebook_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no notebooks/results\.ipynb in"):
        html.report(tmp_path, "night", [], tmp_path / "report.html")


def made_up(slots: int, root: Path) -> Results:
    entries = [Entry(each, "", "") for each in nights.night(12, slots)]
    return Results(summary_of("night", entries), History(root, "night"))


def test_slots_are_a_table_with_idle_seconds(tmp_path: Path) -> None:
    shown = made_up(4, tmp_path)
    now = time.time()
    state = State("night", 1, Stage.RUNNING, "", 7, "", "", Limits(), now, now)
    workspace = Workspace(tmp_path, "night")
    workspace.create()
    workspace.write_state(replace(state, slots=nights.uses(2)))
    table = shown.slots()
    assert isinstance(table, Table)
    assert list(table.index) == ["gpu0", "gpu1", "gpu2", "gpu3"]
    assert table["runs"].sum() == sum(len(each.runs) for each in nights.night(12, 4))
    assert table["percent"].between(50, 100).all()
    assert table["idle_seconds"].tolist()[:2] == [50.0, 50.0]
    assert table["idle_seconds"].isna().tolist() == [False, False, True, True]


def test_older_records_are_of_one_unnamed_device(night: Results) -> None:
    table = night.slots()
    assert isinstance(table, Table)
    assert list(table.index) == ["the device"]
    assert table["runs"].tolist() == [5]


def test_several_devices_are_drawn_by_hours(tmp_path: Path) -> None:
    assert isinstance(made_up(4, tmp_path).progress_of_devices("hours"), Drawing)
    assert "One device ran night" in str(made_up(1, tmp_path).progress_of_devices("hours"))


def test_a_log_without_times_is_not_drawn_by_hours(log: Results) -> None:
    with pytest.raises(InputError, match=r"can't draw .*results\.tsv by hours: no times recorded"):
        log.progress("hours")


@pytest.mark.slow
def test_the_notebook_runs_to_its_end_as_a_report(night: Results, tmp_path: Path) -> None:
    assert night.history is not None
    (night.history.root / "notebooks" / "results.ipynb").write_text(NOTEBOOK.read_text())
    html.report(night.history.root, "night", [str(LOG)], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "Batches of 8" in page
    assert page.count("<img ") == 5
    assert "google.colab" not in page


def test_every_cell_of_the_notebook_shows_a_log_too() -> None:
    names: dict[str, object] = {"TAG": str(LOG), "OTHERS": []}
    for cell in read(NOTEBOOK, as_version=4).cells:
        if cell.cell_type == "code" and not cell.metadata.get("tags"):
            exec(cell.source, names)
    assert isinstance(names["night"], Results)
