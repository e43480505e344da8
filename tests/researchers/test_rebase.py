"""A prepared proposal on a newer best: taken along where it fits, else given up."""

from collections.abc import Mapping

from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import CellEdit, Constant, EditAction, Proposal
from autoresearch_kit.researchers.rebase import rebase
from tests.campaign import tiny

REPLACE, INSERT, DELETE = EditAction.REPLACE, EditAction.INSERT, EditAction.DELETE
OLD = TrainNotebook.parse(tiny.notebook_text())
MODEL = OLD.cell("model").source
FIRST, LAST = MODEL.replace("class", "# ä\nA = 1\n\n\nclass"), MODEL + "\nB = 1"


def proposal(*edits: CellEdit, constants: Mapping[str, Constant] | None = None) -> Proposal:
    return Proposal(7, 0, "llm", "an idea", "", edits=edits, constants=constants or {})


def model(source: str) -> CellEdit:
    return CellEdit(REPLACE, "model", source)


def test_edits_of_other_cells_fit_as_they_are() -> None:
    new = OLD.set_constants({"BATCH": 8})
    moved = rebase(proposal(model(FIRST)), OLD, new, 6)
    assert moved
    assert (moved.number, moved.parent, moved.edits) == (7, 6, (model(FIRST),))


def test_a_cell_that_both_changed_is_merged_by_lines() -> None:
    moved = rebase(proposal(model(LAST)), OLD, OLD.apply([model(FIRST)]), 6)
    assert moved
    assert moved.edits == (model(FIRST + "\nB = 1"),)


def test_a_conflict_gives_it_up() -> None:
    ours = OLD.apply([model(MODEL + "\nB = 2")])
    assert rebase(proposal(model(LAST)), OLD, ours, 6) is None


def test_a_deleted_cell_gives_it_up() -> None:
    new = OLD.apply([CellEdit(DELETE, "model"), CellEdit(INSERT, "net", MODEL, "config")])
    assert rebase(proposal(model(LAST)), OLD, new, 6) is None


def test_deleting_what_the_best_changed_gives_it_up() -> None:
    new = OLD.apply([model(LAST)])
    gone = proposal(CellEdit(DELETE, "model"), CellEdit(INSERT, "net", MODEL, "config"))
    assert rebase(gone, OLD, new, 6) is None


def test_a_constant_that_both_changed_gives_it_up() -> None:
    new = OLD.set_constants({"BATCH": 8})
    assert rebase(proposal(constants={"BATCH": 2}), OLD, new, 6) is None


def test_constants_that_only_the_proposal_changed_fit() -> None:
    moved = rebase(proposal(constants={"BATCH": 2}), OLD, OLD.set_constants({"RATE": 0.1}), 6)
    assert moved
    assert moved.constants == {"BATCH": 2}


def test_what_the_best_has_already_is_given_up() -> None:
    assert rebase(proposal(model(LAST)), OLD, OLD.apply([model(LAST)]), 6) is None


def test_a_name_that_the_best_no_longer_has_gives_it_up() -> None:
    renamed = MODEL.replace("class Bigram", "class Net").replace("= Bigram", "= Net")
    uses = proposal(CellEdit(INSERT, "more", "print(Bigram)", "model"))
    assert rebase(uses, OLD, OLD.apply([model(renamed)]), 6) is None


def test_two_cells_of_one_name_give_it_up() -> None:
    insert = CellEdit(INSERT, "ema", "EMA = 1", "model")
    new = OLD.apply([CellEdit(INSERT, "ema", "EMA = 2", "model")])
    assert rebase(proposal(insert), OLD, new, 6) is None
