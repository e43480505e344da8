"""The notebooks as they are shipped: clean, addressed by name, and calling the package."""

import ast
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
CALLING = ["control.ipynb", "results.ipynb"]
ALL = [*CALLING, "train.ipynb", "train_gpu.ipynb"]
DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda


def read(name: str) -> NotebookNode:
    notebook: NotebookNode = nbformat.read(NOTEBOOKS / name, nbformat.NO_CONVERT)
    return notebook


def test_there_are_no_others() -> None:
    assert sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")) == ALL


@pytest.mark.parametrize("name", ALL)
def test_it_is_valid_and_committed_without_outputs(name: str) -> None:
    notebook = read(name)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all((cell.outputs, cell.execution_count) == ([], None) for cell in code)


@pytest.mark.parametrize("name", ALL)
def test_the_ids_of_cells_are_their_names(name: str) -> None:
    assert all(cell.id == cell.metadata.name for cell in read(name).cells)


@pytest.mark.parametrize("name", CALLING)
def test_it_only_calls_the_package(name: str) -> None:
    python = TransformerManager().transform_cell
    for cell in read(name).cells:
        if cell.cell_type == "code":
            nodes = ast.walk(ast.parse(python(cell.source)))
            assert not any(isinstance(node, DEFINITIONS) for node in nodes)
