"""`autoresearch lab` starts JupyterLab."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest


@pytest.mark.slow
def test_options_go_to_jupyterlab(project: Path) -> None:
    (project / "notebooks" / "control.ipynb").touch()
    argv = [sys.executable, "-c", "from autoresearch_kit.ui import cli; cli.main()", "lab"]
    done = subprocess.run([*argv, "--version"], cwd=project, capture_output=True, text=True)
    assert done.stdout.strip() == version("jupyterlab"), done.stderr
