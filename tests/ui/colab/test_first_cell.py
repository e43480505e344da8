"""The cell that makes a bare Colab ready: Colab's own module and its folder are stood in for."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HOLDING = sorted(path for path in (ROOT / "notebooks").glob("*.ipynb") if path.stem != "train")
ADDRESS = "https://github.com/OWNER/autoresearch_kit"

IN_IPYTHON = """
import sys
from IPython.core.interactiveshell import InteractiveShell
InteractiveShell.instance().run_cell(sys.argv[1]).raise_error()
"""


def cell(notebook: Path) -> str:
    cells = json.loads(notebook.read_text())["cells"]
    return next("".join(one["source"]) for one in cells if one["id"] == "colab")


def adapted(address: Path, content: Path) -> str:
    """The cell as on Colab, but for where it clones from and to."""
    source = cell(HOLDING[0]).replace(ADDRESS, str(address)).replace("/content", str(content))
    return f"import sys\nsys.modules['google.colab'] = sys\n{source}"


@pytest.mark.parametrize("notebook", HOLDING, ids=lambda path: path.stem)
def test_the_notebooks_share_it(notebook: Path) -> None:
    assert cell(notebook) == cell(HOLDING[0])


def test_elsewhere_it_does_nothing(tmp_path: Path) -> None:
    code = f"import os\nos.chdir({str(tmp_path)!r})\n{cell(HOLDING[0])}\nprint(os.getcwd())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{tmp_path}\n"
    assert list(tmp_path.iterdir()) == []


def test_what_can_not_be_cloned_is_said_in_one_line(tmp_path: Path) -> None:
    source = adapted(tmp_path / "nothing", tmp_path)
    argv = [sys.executable, "-c", IN_IPYTHON, source]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    said = next(line for line in done.stderr.splitlines() if line)
    assert said.startswith(f"UsageError: the kit can't be had from {tmp_path}/nothing: fatal: repo")
