"""The best without a keep, and without later keeps that build on it."""

from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import CellEdit, EditAction
from tests.studies.nights import BASELINE, chain, edit

FIRST = edit("model", "class Bigram", "DEEP = 1\n\n\nclass Bigram")


def last(notebook: TrainNotebook) -> CellEdit:
    return edit("model", "lr=RATE)", "lr=RATE, fused=False)", notebook)


def test_two_constants_in_neighbouring_lines_are_apart() -> None:
    plan = chain({"BATCH": 8}, {"RATE": 0.1})
    assert [variant.out for variant in plan.without] == [(1,), (2,)]
    assert plan.without[0].notebook.constants() == {"BATCH": 4, "RATE": 0.1, "WIDTH": 8}
    assert plan.without[1].notebook.constants() == {"BATCH": 8, "RATE": 0.03, "WIDTH": 8}


def test_edits_of_one_cell_at_two_places_are_apart() -> None:
    plan = chain(FIRST, last)
    without = plan.without[0]
    source = without.notebook.cell("model").source
    assert without.out == (1,)
    assert "fused=False" in source
    assert "DEEP" not in source


def test_what_builds_on_it_goes_along() -> None:
    plan = chain(FIRST, {"RATE": 0.1}, lambda parent: edit("model", "DEEP = 1", "DEEP = 2", parent))
    assert [variant.out for variant in plan.without] == [(1, 3), (2,), (3,)]
    assert plan.without[0].notebook.constants()["RATE"] == 0.1
    assert plan.leave_out([1, 2, 3]).notebook == BASELINE
    assert plan.leave_out([]).notebook == plan.best.notebook


def test_a_constant_that_was_turned_again_goes_along() -> None:
    plan = chain({"BATCH": 8}, {"BATCH": 16})
    assert [variant.out for variant in plan.without] == [(1, 2), (2,)]
    assert plan.without[0].code == BASELINE.code()


def test_code_that_uses_its_names_goes_along() -> None:
    plan = chain(FIRST, CellEdit(EditAction.INSERT, "more", "print(DEEP)", "train"))
    assert plan.without[0].out == (1, 2)


def test_what_was_undone_later_is_not_in_the_best() -> None:
    plan = chain({"BATCH": 8}, {"RATE": 0.1}, {"BATCH": 4})
    assert plan.without[0].code == plan.best.code
    assert plan.without[0].code not in plan.compared


def test_constants_that_were_added_one_after_the_other_are_apart() -> None:
    plan = chain(
        edit("config", "WIDTH = 8", "DEEP = 1\nWIDTH = 8"),
        lambda parent: edit("config", "WIDTH = 8", "WIDE = 2\nWIDTH = 8", parent),
    )
    without = plan.without[0]
    assert without.out == (1,)
    assert list(without.notebook.constants()) == ["BATCH", "RATE", "WIDE", "WIDTH"]
