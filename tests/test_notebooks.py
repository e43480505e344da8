"""The notebooks as they are shipped: clean, addressed by name, and calling the package."""

import ast
import json
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
ALL = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
CALLING = ["control.ipynb", "results.ipynb"]


def cells(name: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((NOTEBOOKS / name).read_text())["cells"]
    return found


def test_there_are_three() -> None:
    assert ALL == ["control.ipynb", "results.ipynb", "train.ipynb"]


@pytest.mark.parametrize("name", ALL)
def test_it_is_committed_without_outputs(name: str) -> None:
    code = [cell for cell in cells(name) if cell["cell_type"] == "code"]
    assert all((cell["outputs"], cell["execution_count"]) == ([], None) for cell in code)


@pytest.mark.parametrize("name", ALL)
def test_its_cells_keep_their_names(name: str) -> None:
    named = [cell["metadata"] for cell in cells(name)]
    names = [metadata["name"] for metadata in named if isinstance(metadata, dict)]
    assert names == [cell["id"] for cell in cells(name)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", CALLING)
def test_it_only_calls_the_package(name: str) -> None:
    for cell in cells(name):
        if cell["cell_type"] == "code":
            source = cell["source"]
            nodes = ast.walk(ast.parse("".join(source) if isinstance(source, list) else ""))
            definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
            assert not any(isinstance(node, definitions) for node in nodes)
