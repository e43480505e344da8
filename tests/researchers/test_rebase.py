"""A prepared proposal on a newer best: taken along where it fits, else given up."""

from collections.abc import Mapping

import pytest

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


def test_constants_that_only_the_proposal_changed_fit() -> None:
    moved = rebase(proposal(constants={"BATCH": 2}), OLD, OLD.set_constants({"RATE": 0.1}), 6)
    assert moved
    assert moved.constants == {"BATCH": 2}


DELETED = (CellEdit(DELETE, "model"), CellEdit(INSERT, "net", MODEL, "config"))
RENAMED = MODEL.replace("class Bigram", "class Net").replace("= Bigram", "= Net")
CONFLICTS = {
    "same lines": (proposal(model(LAST)), OLD.apply([model(MODEL + "\nB = 2")])),
    "cell deleted": (proposal(model(LAST)), OLD.apply(DELETED)),
    "deletes what changed": (proposal(*DELETED), OLD.apply([model(LAST)])),
    "same constant": (proposal(constants={"BATCH": 2}), OLD.set_constants({"BATCH": 8})),
    "there already": (proposal(model(LAST)), OLD.apply([model(LAST)])),
    "name gone": (
        proposal(CellEdit(INSERT, "more", "print(Bigram)", "model")),
        OLD.apply([model(RENAMED)]),
    ),
    "name of a cell taken": (
        proposal(CellEdit(INSERT, "ema", "EMA = 1", "model")),
        OLD.apply([CellEdit(INSERT, "ema", "EMA = 2", "model")]),
    ),
}


@pytest.mark.parametrize(("mine", "new"), CONFLICTS.values(), ids=CONFLICTS)
def test_a_conflict_gives_the_proposal_up(mine: Proposal, new: TrainNotebook) -> None:
    assert rebase(mine, OLD, new, 6) is None
