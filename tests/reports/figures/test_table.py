import pandas as pd
import pytest

from autoresearch_kit.reports.figures.table import Table


@pytest.fixture
def table() -> Table:
    rows = {
        "status": ["keep", "crash"],
        "val_bpb": [1.25, float("nan")],
        "delta": [-0.01, float("nan")],
        "idea": ["a | b", "<script>alert(1)</script>" + "x" * 900],
    }
    return Table(rows, index=pd.Index([7, 8], name="number"))


def test_numbers_and_words_are_whole_and_escaped(table: Table) -> None:
    shown = table._repr_html_()
    assert ">1.250000<" in shown
    assert ">-0.010000<" in shown
    assert shown.count(">-</td>") == 2
    assert "nan" not in shown.lower()
    assert "<script" not in shown
    assert "x" * 900 in shown
    shown = Table({"tried": [1]}, index=pd.Index(["<b>bold"], name="category"))._repr_html_()
    assert "<b>" not in shown
    assert ">category<" in shown


def test_all_rows_of_a_table_and_derived_tables_show(table: Table) -> None:
    assert Table({"val_bpb": [1.0] * 1000})._repr_html_().count(">1.000000<") == 1000
    assert table[table["status"] == "discard"]._repr_html_() == "<p>none</p>"
    assert isinstance(table.sort_values("delta").head(1), Table)
    shown = pd.concat([table, table])._repr_html_()
    assert shown.count("<td>1.25") == 2
    assert "<script" not in shown


def test_an_error_is_shown_beside_its_number(table: Table) -> None:
    shown = table.assign(val_bpb_se=0.0123, delta_se=0.02)._repr_html_()
    assert ">1.250 ± 0.012<" in shown
    assert ">-0.010 ± 0.020<" in shown
    assert shown.count(">-</td>") == 2
    assert "_se" not in shown
