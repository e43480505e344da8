from pathlib import Path

import pytest

from autoresearch_kit.errors import EditError
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.refusals import undefined_names
from autoresearch_kit.records import CellEdit, EditAction
from tests.campaign import tiny

SHIPPED = Path(__file__).parents[2] / "notebooks" / "train.ipynb"
PARENT = TrainNotebook.parse(tiny.notebook_text())


def undefined(**cells: str) -> list[str]:
    notebook = TrainNotebook.parse(tiny.notebook_text(**cells))
    return [str(problem) for problem in undefined_names(notebook.cells)]


def test_the_shipped_notebook_lacks_no_name() -> None:
    assert undefined_names(TrainNotebook.read(SHIPPED).cells) == []


def test_an_undefined_name_is_reported_with_cell_and_line() -> None:
    (problem,) = undefined(model="x = 1\n\nmodel = wrap(x)\noptimizer = x")
    assert problem.startswith("cell 'model', line 3: no cell defines 'wrap'; define or import it")


@pytest.mark.parametrize(
    "cells",
    [
        {"model": "def build():\n    return batches\n\n\nmodel = optimizer = build"},
        {"train": "display(get_ipython())"},
        {"train": "from __future__ import annotations\n\nx = BATCH"},
        {"train": "from math import *\n\nx = sqrt(BATCH)"},
        {"setup": "%run helpers.py"},
    ],
    ids=["a later cell's, in a function", "Jupyter's", "the future", "a star", "locked magic"],
)
def test_a_name_that_may_be_defined_is_accepted(cells: dict[str, str]) -> None:
    assert undefined(**cells) == []


def test_check_accepts_a_name_that_the_parent_lacks() -> None:
    parent = TrainNotebook.parse(tiny.notebook_text(train="for _ in []:\n    never()"))
    parent.set_constants({"BATCH": 5}).check(parent)


def test_check_sees_a_name_whose_definition_was_deleted() -> None:
    with pytest.raises(EditError, match="cell 'train', line 5: no cell defines 'model'"):
        PARENT.apply([CellEdit(EditAction.DELETE, "model")]).check(PARENT)
