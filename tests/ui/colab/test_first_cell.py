"""The line that installs the project on Colab, tried in another folder than Colab's."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HOLDING = [ROOT / "notebooks" / name for name in ("control.ipynb", "results.ipynb")]
ADDRESS = "https://github.com/OWNER/autoresearch_kit"


def line(notebook: Path) -> str:
    """Return the shell command of the cell `colab`."""
    cells = json.loads(notebook.read_text())["cells"]
    [source] = next(cell["source"] for cell in cells if cell["id"] == "colab")
    assert source.startswith("!")
    return str(source[1:])


def adapted(address: Path, content: Path) -> str:
    """Return the line with other places to fetch from and to."""
    return line(HOLDING[0]).replace(ADDRESS, str(address)).replace("/content", str(content))


def test_the_notebooks_share_it() -> None:
    assert line(HOLDING[0]) == line(HOLDING[1])


@pytest.mark.skipif(Path("/content").exists(), reason="this is Colab")
def test_elsewhere_it_does_nothing(tmp_path: Path) -> None:
    done = subprocess.run(["sh", "-c", line(HOLDING[0])], cwd=tmp_path, capture_output=True)
    assert done.stdout + done.stderr == b""
    assert list(tmp_path.iterdir()) == []


def test_failed_fetch_names_the_project(tmp_path: Path) -> None:
    argv = ["sh", "-c", adapted(tmp_path / "nothing", tmp_path)]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True)
    assert "nothing' does not appear to be a git repository" in done.stderr
