"""The panel's words for tasks whose metric is another than val_bpb."""

from autoresearch_kit.records import Experiment
from autoresearch_kit.reports.rows import Row
from autoresearch_kit.ui.panel import html
from tests.reports.tasks import TINY, of_two_objectives, searched, shown


def row(experiments: list[Experiment], number: int) -> Row:
    return shown(experiments).summary.table[number]


def test_the_head_names_the_metric_escaped() -> None:
    assert "seconds_a_line" in html.table_head("seconds_a_line", costs=False)
    assert "<b>" not in html.table_head("<b>", costs=False)


def test_reasons_of_several_objectives_have_words_and_colours() -> None:
    traded, broke = (html.table_row(row(of_two_objectives(), n), costs=False) for n in (2, 4))
    assert 'class="chip keep trade-off"' in traded
    assert "trade-off</span>" in traded
    assert 'class="chip discard out-of-bounds"' in broke
    assert "bounds</span>" in broke


def test_a_trusted_score_has_a_mark_that_is_explained() -> None:
    parsing = searched(TINY, 4.2e-7, 6e-9, 3)
    shown_row = html.table_row(row(parsing, 0), costs=False)
    assert "(4.200 ± 0.060)e-07&#8224;" in shown_row
    assert "trusted: loaded beside the hidden data" in shown_row
    assert "&#8224;" not in html.table_row(row(of_two_objectives(), 0), costs=False)
