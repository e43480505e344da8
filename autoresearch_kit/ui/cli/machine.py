"""The commands doctor, lab and open: this machine, and the notebooks on it."""

import importlib.util
import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated, NoReturn
from urllib.parse import quote

import typer
from rich.table import Table
from rich.text import Text

from autoresearch_kit.errors import InputError
from autoresearch_kit.ui import opening
from autoresearch_kit.ui.cli.app import Json, Tag, app, console, known_history, print_json, project
from autoresearch_kit.ui.doctor import examine

CONTROL = "notebooks/control.ipynb"


@app.command()
def doctor(as_json: Json = False) -> None:
    """Show what this machine can do, and how to fix what it can't."""
    findings = examine(Path.cwd(), try_compile=True)
    if as_json:
        print_json(findings)
        return
    table = Table("", "", "found", "to do", box=None, pad_edge=False, show_header=False)
    for finding in findings:
        mark = Text("gap", "yellow") if finding.advice else Text("ok", "green")
        table.add_row(mark, finding.what, finding.found, finding.advice)
    console.print(table)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(context: typer.Context) -> None:
    """Open the control notebook in JupyterLab.

    Options go to JupyterLab: --no-browser --port=8899 over ssh, --allow-root in a container.
    """
    root = project()
    if not (root / CONTROL).exists():
        raise InputError(f"no {CONTROL} in {root}; copy it from a checkout of autoresearch_kit")
    _start_lab(root, CONTROL, *context.args)


@app.command("open")
def open_(
    tag: Tag,
    number: Annotated[int, typer.Argument(help="The experiment's number; the baseline is 0.")],
) -> None:
    """Open an experiment's executed notebook, with its outputs, in JupyterLab.

    A JupyterLab that runs on this project is used; otherwise a new one is started.
    """
    ledger = known_history(tag)
    path = opening.write_executed(ledger, number)
    console.print(str(path))
    address = opening.lab_address(ledger.root, path)
    if address is None:
        _start_lab(ledger.root, str(path.relative_to(ledger.root)))
    else:
        console.print(address)
        webbrowser.open(address)


def _start_lab(root: Path, notebook: str, *options: str) -> NoReturn:
    """Replace this process by a JupyterLab that shows the whole project, with a notebook open.

    The root is named, since by default it is the folder of the notebook.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise InputError("JupyterLab is not installed; pip install 'autoresearch_kit[lab]'")
    os.chdir(root)
    own = [f"--ServerApp.root_dir={root}", f"--LabApp.default_url=/lab/tree/{quote(notebook)}"]
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", *own, *options])
