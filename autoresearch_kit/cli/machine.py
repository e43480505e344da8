"""doctor, lab: what this machine can do, and the notebooks on it."""

import importlib.util
import os
import sys
from pathlib import Path

from rich.table import Table
from rich.text import Text

from autoresearch_kit import codec
from autoresearch_kit.cli.app import Json, app, console, project
from autoresearch_kit.doctor import examine
from autoresearch_kit.errors import InputError
from autoresearch_kit.history import NOTEBOOK


@app.command()
def doctor(as_json: Json = False) -> None:
    """What this machine can do, and what to do about each gap."""
    findings = examine(Path.cwd())
    if as_json:
        print(codec.encode(findings).decode())  # noqa: T201
        return
    table = Table("", "", "found", "to do", box=None, pad_edge=False, show_header=False)
    for finding in findings:
        mark = Text("gap", "yellow") if finding.advice else Text("ok", "green")
        table.add_row(mark, finding.what, finding.found, finding.advice)
    console.print(table)


@app.command()
def lab() -> None:
    """Open the training notebook in JupyterLab."""
    if importlib.util.find_spec("jupyterlab") is None:
        raise InputError("JupyterLab is not installed; pip install 'autoresearch_kit[lab]'")
    os.chdir(project())
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", NOTEBOOK])
