"""What a campaign's git says, as frames and figures; and the notebook that shows them."""

from dataclasses import replace
from pathlib import Path

import pytest
from nbconvert import HTMLExporter
from nbformat.v4 import new_markdown_cell, new_notebook

from autoresearch_kit.campaign.loop import Campaign
from autoresearch_kit.errors import InputError
from autoresearch_kit.ledger import Entry
from autoresearch_kit.records import Noise, Proposal, Reason, SandboxLevel, Usage, Verdict
from autoresearch_kit.reports import html
from autoresearch_kit.reports.figures.drawing import Drawing
from autoresearch_kit.reports.figures.missing import Missing
from autoresearch_kit.reports.results import CampaignResults, Results, campaigns, compare, results
from autoresearch_kit.reports.tables import TSV_COLUMNS, to_frame
from tests.ledger import ledger
from tests.ledger.ledger import repeated
from tests.researchers.llm.conftest import CURVE, begin

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "results.ipynb"
LOG = Path(__file__).parents[1] / "data" / "h100_mar8_results.tsv"
HOSTILE = "a | b ` $x$ [l](u) *s* <script>alert(1)</script>\n\n# head\n| c |"


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> CampaignResults:
    """A baseline, a discard, two keeps, a crash."""
    ledger = begin(tmp_path_factory.mktemp("night") / "project")
    ledger.constants(1, WIDTH=4)
    ledger.constants(2, 1.58, WIDTH=16)
    wider = Proposal(3, 2, "llm", "Batches of 8", "", "optimizer", constants={"BATCH": 8})
    ledger.add(wider, Verdict.KEEP, Reason.BETTER, 1.5, metrics=CURVE)
    ledger.constants(4, None, BATCH=16)
    found = results("night", ledger.root)
    assert isinstance(found, CampaignResults)
    return found


@pytest.fixture(scope="module")
def log() -> Results:
    """Upstream's own night."""
    return results(str(LOG))


def reported(root: Path, source: str, path: Path) -> str:
    (root / "notebooks" / "results.ipynb").write_text(NOTEBOOK.read_text())
    html.report(root, source, [source], path)
    return path.read_text()


def page_of(markdown: str) -> str:
    """The HTML that a notebook shows for it."""
    notebook = new_notebook(cells=[new_markdown_cell(markdown)])
    page, _ = HTMLExporter().from_notebook_node(notebook)
    return str(page)


def test_the_campaigns_of_a_project(night: CampaignResults) -> None:
    assert campaigns(night.ledger.root) == ["night"]


def test_an_unknown_campaign_names_those_there_are(night: CampaignResults) -> None:
    with pytest.raises(InputError, match="no campaign 'day' in this project; there: night"):
        results("day", night.ledger.root)


def test_the_summary_says_how_it_went(night: CampaignResults) -> None:
    summary = night.summary
    assert (summary.experiments, summary.kept, summary.crashed) == (4, 2, 1)
    assert (summary.baseline, summary.best) == (1.6, 1.5)
    assert summary.gain == pytest.approx(0.1)
    assert summary.spent.training_share == pytest.approx(300 / 330)
    assert "1.500000, 0.100000 (6.25%) lower" in night._repr_markdown_()


def test_dollars_are_held_against_what_they_bought(night: CampaignResults) -> None:
    assert night.summary.usd_per_millibit is None
    paid = type(night.summary)(**{**vars(night.summary), "usage": Usage(requests=9, usd=5.0)})
    assert paid.usd_per_millibit == pytest.approx(0.05)
    assert "0.050 USD for each 0.001 bits per byte" in paid._repr_markdown_()


def test_keeps_come_largest_gain_first(night: CampaignResults) -> None:
    assert list(night.keeps().index) == [3, 2]
    assert list(night.keeps()["delta"].round(6)) == [-0.08, -0.02]


def test_ideas_are_counted_by_category(night: CampaignResults) -> None:
    table = night.categories()
    assert table.loc["optimizer", "gain"] == pytest.approx(0.08)
    assert int(table["tried"].sum()) == 4


def test_crashes_are_counted_by_reason(night: CampaignResults) -> None:
    assert night.crashes().loc["out of memory", "times"] == 1


def test_time_is_told_by_part(night: CampaignResults) -> None:
    assert night.time().loc["training", "seconds"] == 1500.0


def test_the_diff_goes_from_the_baseline_to_the_best(night: CampaignResults) -> None:
    diff = str(night.diff())
    assert "+WIDTH = 16" in diff
    assert "+BATCH = 8" in diff


def test_the_table_can_be_filtered(night: CampaignResults) -> None:
    assert list(night.table().index) == [4, 3, 2, 1, 0]
    assert list(night.table(status="keep").index) == [3, 2, 0]
    with pytest.raises(InputError, match="no column 'stats'; there are: status"):
        night.table(stats="keep")


def test_curves_without_a_log_are_drawn_all_the_same(night: CampaignResults) -> None:
    assert night.curves()._repr_png_().startswith(b"\x89PNG")
    assert night.curves(1, 2)._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("against", ["experiments", "hours"])
def test_campaigns_are_held_against_each_other(night: CampaignResults, against: str) -> None:
    assert isinstance(compare(night, [night, night], against=against), Drawing)


def test_what_campaigns_can_be_held_against(night: CampaignResults) -> None:
    with pytest.raises(InputError, match="choose one of: experiments, hours, usd"):
        compare(night, against="days")


def test_an_experiment_that_is_not_there_has_no_curve(night: CampaignResults) -> None:
    with pytest.raises(InputError, match="no experiment 9 in 'night'; there: 0 to 4"):
        night.curves(9)


def test_a_table_is_filtered_by_a_part_of_a_text(night: CampaignResults) -> None:
    assert list(night.table(idea="BATCHES of").index) == [3]
    assert list(night.table(parent=2).index) == [3]


def test_upstreams_log_has_a_summary(log: Results) -> None:
    said = log._repr_markdown_()
    assert "125: 22 kept, 1 crashed" in said
    assert "0.969686, 0.028214 (2.83%) lower" in said
    assert "not recorded" in said


def test_upstreams_log_has_its_keeps(log: Results) -> None:
    keeps = log.keeps()
    assert len(keeps) == 22
    assert keeps["idea"].iloc[0] == "halve batch 524K to 262K (more steps in 5 min)"


def test_columns_that_a_log_has_not_are_left_out(log: Results) -> None:
    assert list(log.table()) == ["status", "val_bpb", "delta", "idea"]
    assert list(log.crashes()) == ["times", "last", "idea"]


def test_errors_repeats_and_sandboxes_are_told_where_there_are_any() -> None:
    first, second = (
        repeated(ledger.experiment(number), *scores, noise=Noise(0.01, 5.0))
        for number, scores in ((0, (1.5, 1.6)), (1, (1.4,)))
    )
    boxed = replace(second.runs[0], sandbox=SandboxLevel.BUBBLEWRAP)
    entries = [Entry(one, "", "") for one in (first, replace(second, runs=(boxed,)))]
    shown = Results("night", to_frame(entries))
    assert {"error", "scores", "delta_error", "sandbox"} <= set(shown.table())
    assert ">1.5500 ± 0.0071<" in shown.table()._repr_html_()
    assert ">-0.150 ± 0.012<" in shown.keeps()._repr_html_()


def test_scores_have_steps_and_speed_beside_them(night: CampaignResults) -> None:
    assert set(night.table()["speed"]) == {"1,200 steps, 8,000 tokens/s"}
    assert "speed" in set(night.keeps())


def test_a_campaign_without_an_audit_has_no_second_opinion(night: CampaignResults) -> None:
    assert "No baseline was scored on the audit shard in night" in str(night.audit())


@pytest.mark.parametrize("asked", ["time", "curves", "diff", "audit"])
def test_what_a_log_does_not_hold_is_said_in_a_sentence(log: Results, asked: str) -> None:
    missing = getattr(log, asked)()
    assert isinstance(missing, Missing)
    assert "data/h100_mar8_results.tsv" in str(missing)


@pytest.mark.parametrize("against", ["hours", "usd"])
def test_a_log_alone_is_compared_in_words(log: Results, against: str) -> None:
    assert "Nothing to compare by" in str(compare(log, against=against))


def test_a_log_is_compared_with_a_campaign(log: Results, night: CampaignResults) -> None:
    drawn = compare(night, log)
    assert isinstance(drawn, Drawing)
    [legend] = drawn.legends
    named = [text.get_text() for text in legend.get_texts()]
    assert named == ["night", "data/h100_mar8_results.tsv"]


@pytest.mark.parametrize(
    "rows",
    [
        ["keep\tbaseline"],
        ["keep\tbaseline", "discard\twider", "crash\tdeeper"],
        ["crash\tbaseline", "crash\twider"],
    ],
    ids=["a baseline", "no gain", "only crashes"],
)
def test_a_campaign_that_gained_nothing_is_shown(rows: list[str], tmp_path: Path) -> None:
    path = tmp_path / "results.tsv"
    lines = ["\t".join(TSV_COLUMNS), *(f"abc\t1.5\t0.9\t{row}" for row in rows)]
    path.write_text("\n".join(lines))
    found = results(str(path))
    assert found.keeps()._repr_html_() == "<p>none</p>"
    assert "-0.0" not in found.categories()._repr_html_()
    assert found.table()._repr_html_().count("</td>") >= 3 * len(rows)
    assert found.progress()._repr_png_().startswith(b"\x89PNG")
    assert f"{len(rows) - 1}: 0 kept" in found._repr_markdown_()


def test_a_log_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"can't read .*/none\.tsv: No such file or directory"):
        results(str(tmp_path / "none.tsv"))


def test_an_experiment_shows_itself(night: CampaignResults) -> None:
    shown = night.entries[3].experiment._repr_markdown_()
    assert "night 3, from 2" in shown
    assert "1.500000" in shown


def test_an_idea_cannot_break_out_of_its_line(night: CampaignResults) -> None:
    one = night.entries[1].experiment
    shown = replace(one, proposal=replace(one.proposal, idea=HOSTILE))._repr_markdown_()
    page = page_of(shown)
    assert page.count("<td>") == 2 * len(one.rows())
    assert "a | b ` $x$ [l](u) *s* &lt;script&gt;alert(1)&lt;/script&gt; # head | c |" in page


def test_a_campaign_shows_where_it_stands(night: CampaignResults) -> None:
    shown = Campaign("night", root=night.ledger.root)._repr_markdown_()
    assert "not run here" in shown
    assert "1.500000, 0.100000 (6.25%) lower" in shown


def test_a_report_says_which_notebook_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no notebooks/results\.ipynb in"):
        html.report(tmp_path, "night", [], tmp_path / "report.html")


@pytest.mark.slow
def test_the_notebook_runs_to_its_end_as_a_report(night: CampaignResults, tmp_path: Path) -> None:
    page = reported(night.ledger.root, "night", tmp_path / "report.html")
    assert "Batches of 8" in page
    assert page.count("<img ") == 4
    assert "google.colab" not in page


@pytest.mark.slow
def test_the_notebook_runs_to_its_end_on_upstreams_log(
    night: CampaignResults, tmp_path: Path
) -> None:
    page = reported(night.ledger.root, str(LOG), tmp_path / "report.html")
    assert "There are no loss curves in data/h100_mar8_results.tsv." in page
    assert page.count("<img ") == 2
