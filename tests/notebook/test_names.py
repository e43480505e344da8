"""Names that no cell defines are found, and nothing else is taken for one."""

from pathlib import Path

import pytest

from autoresearch_kit.errors import EditError
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.names import Undefined, undefined_names
from autoresearch_kit.records import CellEdit, EditAction
from tests.campaign import tiny

SHIPPED = Path(__file__).parents[2] / "notebooks" / "train.ipynb"


def found(**cells: str) -> list[Undefined]:
    return undefined_names(TrainNotebook.parse(tiny.notebook_text(**cells)).cells)


def with_model(source: str) -> TrainNotebook:
    notebook = TrainNotebook.parse(tiny.notebook_text())
    return notebook.apply([CellEdit(EditAction.REPLACE, "model", source)])


def test_the_shipped_notebook_lacks_no_name() -> None:
    assert undefined_names(TrainNotebook.read(SHIPPED).cells) == []


def test_a_name_is_found_in_its_cell_at_its_line() -> None:
    assert found(model="x = 1\n\nmodel = wrap(x)\noptimizer = x") == [Undefined("wrap", "model", 3)]


def test_a_name_of_a_later_cell_may_be_used_inside_a_function() -> None:
    source = "def build():\n    return batches\n\n\nmodel = optimizer = build"
    assert undefined_names(with_model(source).cells) == []  # batches is of the cell train


def test_what_the_kernel_gives_is_defined() -> None:
    assert found(train="display(get_ipython())") == []


def test_each_cell_may_import_from_the_future() -> None:
    assert found(train="from __future__ import annotations\n\nx = BATCH") == []


def test_magic_in_a_locked_cell_leaves_names_unknown() -> None:
    assert found(setup="%run helpers.py") == []


def test_names_that_a_star_import_may_bring_are_not_complained_of() -> None:
    assert found(train="from math import *\n\nx = sqrt(BATCH)") == []


def test_the_check_names_cell_line_and_name() -> None:
    notebook = with_model("model = optimizer = Bigramm(WIDTH)")
    message = "cell 'model', line 1: no cell defines 'Bigramm'; define or import it"
    with pytest.raises(EditError, match=message):
        notebook.check(TrainNotebook.parse(tiny.notebook_text()))


def test_a_name_that_the_parent_lacks_too_is_let_through() -> None:
    parent = TrainNotebook.parse(tiny.notebook_text(train="for _ in []:\n    never()"))
    parent.set_constants({"BATCH": 5}).check(parent)


def test_the_check_sees_a_name_whose_definition_was_deleted() -> None:
    parent = TrainNotebook.parse(tiny.notebook_text())
    with pytest.raises(EditError, match="cell 'train', line 5: no cell defines 'model'"):
        parent.apply([CellEdit(EditAction.DELETE, "model")]).check(parent)
