"""The example of a model of one's own: measured by hand, in its folder."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from autoresearch_kit.execution import handover

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_model"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the example that trains for one pass."""
    monkeypatch.setenv("AUTORESEARCH_DATA", str(tmp_path / "prepared"))
    monkeypatch.delenv(handover.WORK, raising=False)
    monkeypatch.delenv(handover.DATASET, raising=False)
    folder = tmp_path / "own_model"
    shutil.copytree(EXAMPLE, folder)
    train = folder / "train.ipynb"
    train.write_text(train.read_text().replace("EPOCHS = 20", "EPOCHS = 1"))
    return folder


def run_by_hand(folder: Path) -> nbformat.NotebookNode:
    book: nbformat.NotebookNode = nbformat.read(folder / "train.ipynb", nbformat.NO_CONVERT)
    NotebookClient(book, resources={"metadata": {"path": str(folder)}}).execute()
    return book


@pytest.mark.slow
def test_by_hand_each_metric_is_printed_with_its_unit(example: Path) -> None:
    cells = {cell.id: cell for cell in run_by_hand(example).cells}
    (printed,) = cells["submit"].outputs
    assert re.search(r"^error +\d+\.\d+ ppm$", printed.text, re.MULTILINE)
    assert re.search(r"^inference_seconds +\S+ s per row$", printed.text, re.MULTILINE)
    assert cells["result"].outputs[0].text.startswith("mean error on the test weeks")


@pytest.mark.slow
def test_by_hand_a_mistake_in_the_task_is_named(example: Path) -> None:
    task = example / "task.toml"
    task.write_text(task.read_text().replace('"lower"', '"down"', 1))
    with pytest.raises(CellExecutionError, match="direction is 'down'; it must be"):
        run_by_hand(example)
