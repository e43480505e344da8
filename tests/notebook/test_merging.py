"""Changes of two, merged: lines as git merges them, constants by name."""

import pytest

from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.changes import changes
from autoresearch_kit.notebook.merging import merge_config, move_edits
from autoresearch_kit.records import CellEdit, EditAction
from tests.campaign import tiny

BASE = "A = 1  # a\nB = 2  # b\nC = 3  # c"


def changed(old: str, new: str, base: str = BASE) -> str:
    assert old in base
    return base.replace(old, new)


@pytest.mark.parametrize(
    ("ours", "theirs", "merged"),
    [
        (
            changed("A = 1", "A = 9"),
            changed("B = 2", "B = 8"),
            "A = 9  # a\nB = 8  # b\nC = 3  # c",
        ),
        (changed("A = 1", "A = 9"), changed("A = 1", "A = 9"), changed("A = 1", "A = 9")),
        (changed("A = 1", "A = 9"), changed("B = 2  # b\n", ""), "A = 9  # a\nC = 3  # c"),
        (changed("A = 1", "A = 9"), BASE + "\nD = 4", "A = 9  # a\nB = 2  # b\nC = 3  # c\nD = 4"),
        (BASE + "\nD = 4", BASE + "\nE = 5", BASE + "\nE = 5\nD = 4"),
        (
            changed("A = 1  # a", "A = 9  # a"),
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
    ids=["turned by both", "turned where it was dropped", "dropped where it was turned", "added"],
)
def test_what_both_say_of_a_constant_is_a_conflict(ours: str, theirs: str) -> None:
    assert merge_config(BASE, ours, theirs) is None


def test_a_cell_goes_after_what_is_left_before_its_place() -> None:
    base = TrainNotebook.parse(tiny.notebook_text())
    first = base.apply([CellEdit(EditAction.INSERT, "ema", "EMA = 1", "model")])
    second = first.apply([CellEdit(EditAction.INSERT, "swa", "SWA = 1", "ema")])
    moved = move_edits(*changes(first, second), first, base)
    assert moved == (CellEdit(EditAction.INSERT, "swa", "SWA = 1", "model"),)
