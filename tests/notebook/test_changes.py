"""What changes() finds makes the edited notebook out of its parent again."""

from pathlib import Path

import pytest

from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.changes import changes
from autoresearch_kit.records import CellEdit, EditAction
from tests.campaign import tiny

SHIPPED = Path(__file__).parents[2] / "notebooks" / "train.ipynb"
REPLACE, INSERT, DELETE = EditAction.REPLACE, EditAction.INSERT, EditAction.DELETE
CONFIG = tiny.CELLS["config"].strip()

EDITS = {
    "replaced": [CellEdit(REPLACE, "model", "x = 1")],
    "inserted first": [CellEdit(INSERT, "ema", "x = 1", "setup")],
    "two inserted": [CellEdit(INSERT, "a", "x", "model"), CellEdit(INSERT, "b", "y", "a")],
    "deleted": [CellEdit(DELETE, "model")],
    "renamed": [CellEdit(DELETE, "model"), CellEdit(INSERT, "net", "x = 1", "config")],
    "moved": [CellEdit(DELETE, "model"), CellEdit(INSERT, "model", "x = 1", "train")],
    "inserted, the one before deleted": [
        CellEdit(INSERT, "a", "x", "model"),
        CellEdit(DELETE, "model"),
    ],
    "a value and its comment": [CellEdit(REPLACE, "config", CONFIG.replace("4  # rows", "5  # r"))],
    "a value and a new constant": [
        CellEdit(REPLACE, "config", CONFIG.replace("= 4", "= 5") + "\nNEW = 1")
    ],
    "a value of another type": [CellEdit(REPLACE, "config", CONFIG.replace("= 4", "= 'four'"))],
    "nothing": [],
}


def parent() -> TrainNotebook:
    return TrainNotebook.parse(tiny.notebook_text())


def code(notebook: TrainNotebook) -> list[tuple[str, str]]:
    return [(cell.name, cell.source) for cell in notebook.cells if not cell.markdown]


@pytest.mark.parametrize("edits", EDITS.values(), ids=EDITS.keys())
def test_the_edited_cells_come_back(edits: list[CellEdit]) -> None:
    edited = parent().apply(edits)
    assert code(parent().apply(*changes(parent(), edited))) == code(edited)


def test_values_that_differ_in_config_are_constants() -> None:
    edited = parent().apply([CellEdit(REPLACE, "config", CONFIG.replace("= 4", "= 5"))])
    assert changes(parent(), edited) == ((), {"BATCH": 5})


def test_constants_stand_beside_the_edits_of_other_cells() -> None:
    edited = parent().apply([CellEdit(REPLACE, "model", "x = 1")], {"RATE": 0.1})
    assert changes(parent(), edited) == ((CellEdit(REPLACE, "model", "x = 1"),), {"RATE": 0.1})


@pytest.mark.parametrize("name", ["model", "optimizer", "schedule", "train"])
def test_each_editable_cell_of_the_shipped_notebook_comes_back(name: str) -> None:
    shipped = TrainNotebook.read(SHIPPED)
    source = shipped.cell(name).source + "\nEXTRA = 1"
    edited = shipped.apply([CellEdit(REPLACE, name, source)])
    assert code(shipped.apply(*changes(shipped, edited))) == code(edited)


def test_all_numbers_of_the_shipped_config_come_back_as_constants() -> None:
    shipped = TrainNotebook.read(SHIPPED)
    numbers = {n: v * 2 for n, v in shipped.constants().items() if type(v) in (int, float) and v}
    edits, constants = changes(shipped, shipped.set_constants(numbers))
    assert (edits, constants) == ((), numbers)
