"""Edits and constants between two notebooks, and moved to a third."""

import pytest

from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.changes import changes, merge_config, move_edits
from autoresearch_kit.records import CellEdit, EditAction
from tests.campaign import tiny

PARENT = TrainNotebook.parse(tiny.notebook_text())
REPLACE, INSERT, DELETE = EditAction.REPLACE, EditAction.INSERT, EditAction.DELETE
CONFIG = PARENT.cell("config").source

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


def code(notebook: TrainNotebook) -> list[tuple[str, str]]:
    return [(cell.name, cell.source) for cell in notebook.cells if not cell.markdown]


@pytest.mark.parametrize("edits", EDITS.values(), ids=EDITS.keys())
def test_changes_give_the_edited_notebook(edits: list[CellEdit]) -> None:
    edited = PARENT.apply(edits)
    assert code(PARENT.apply(*changes(PARENT, edited))) == code(edited)


@pytest.mark.parametrize("edits", [[], [CellEdit(REPLACE, "model", "x = 1")]])
def test_values_that_differ_in_config_are_constants(edits: list[CellEdit]) -> None:
    edited = PARENT.apply([*edits, CellEdit(REPLACE, "config", CONFIG.replace("= 4", "= 5"))])
    assert changes(PARENT, edited) == (tuple(edits), {"BATCH": 5})


BASE = "A = 1  # a\nB = 2  # b\nC = 3  # c"


def changed(old: str, new: str) -> str:
    assert old in BASE
    return BASE.replace(old, new)


@pytest.mark.parametrize(
    ("ours", "theirs", "merged"),
    [
        (
            changed("A = 1", "A = 9"),
            changed("B = 2", "B = 8"),
            BASE.replace("1", "9", 1).replace("2", "8"),
        ),
        (changed("A = 1", "A = 9"), changed("A = 1", "A = 9"), changed("A = 1", "A = 9")),
        (changed("A = 1", "A = 9"), changed("B = 2  # b\n", ""), "A = 9  # a\nC = 3  # c"),
        (changed("A = 1", "A = 9"), BASE + "\nD = 4", changed("A = 1", "A = 9") + "\nD = 4"),
        (BASE + "\nD = 4", BASE + "\nE = 5", BASE + "\nE = 5\nD = 4"),
        (
            changed("A = 1", "A = 9"),
            changed("C = 3  # c", "C = 7  # c\nprint(C)"),
            "A = 9  # a\nB = 2  # b\nC = 7  # c\nprint(C)",
        ),
    ],
    ids=["neighbours", "the same", "dropped", "added", "both added", "more than constants"],
)
def test_constants_are_merged_by_name(ours: str, theirs: str, merged: str) -> None:
    assert merge_config(BASE, ours, theirs) == merged


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (changed("A = 1", "A = 9"), changed("A = 1", "A = 8")),
        (changed("B = 2  # b\n", ""), changed("B = 2", "B = 8")),
        (changed("B = 2", "B = 8"), changed("B = 2  # b\n", "")),
        (BASE + "\nD = 4", BASE + "\nD = 5"),
    ],
    ids=["both changed", "changed where dropped", "dropped where changed", "both added"],
)
def test_two_changes_of_a_constant_conflict(ours: str, theirs: str) -> None:
    assert merge_config(BASE, ours, theirs) is None


def test_an_inserted_cell_moves_behind_what_is_left() -> None:
    first = PARENT.apply([CellEdit(INSERT, "ema", "EMA = 1", "model")])
    second = first.apply([CellEdit(INSERT, "swa", "SWA = 1", "ema")])
    moved = move_edits(*changes(first, second), first, PARENT)
    assert moved == (CellEdit(INSERT, "swa", "SWA = 1", "model"),)
