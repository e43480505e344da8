"""The command adopt: the notebook that the next campaign begins with."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from autoresearch_kit.campaign.adopt import adopt_best, adopt_file
from autoresearch_kit.campaign.adopt_task import adopt_for_task
from autoresearch_kit.errors import InputError
from autoresearch_kit.records import other_values
from autoresearch_kit.records.text import with_error
from autoresearch_kit.reports.status import known
from autoresearch_kit.ui.cli.app import app, console, project


@app.command()
def adopt(
    tag: Annotated[str | None, typer.Argument(help="The campaign whose best to take.")] = None,
    own: Annotated[
        Path | None, typer.Option("--from", help="A notebook of your own instead.")
    ] = None,
    task: Annotated[
        Path | None, typer.Option(help="The folder of the task that your own notebook is for.")
    ] = None,
    prefer: Annotated[
        str, typer.Option(help="With several objectives: the one by which to take the best.")
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite changes that are in no commit.")
    ] = False,
) -> None:
    """Let the next campaign begin with a campaign's best notebook, or with your own.

    A best takes the place of its campaign's first notebook; your own becomes notebooks/train.ipynb,
    or with --task the train.ipynb of that folder. One that was written for something else is made
    fit for it: you are asked what its cells are for.
    """
    if (tag is None) == (own is None):
        raise InputError("name a campaign (adopt TAG) or your own notebook (adopt --from FILE)")
    root = project()
    if task is not None:
        _adopt_for_task(root, own, task, force)
        return
    if own is not None:
        path = adopt_file(root, own, force=force)
        notebook = path.resolve().relative_to(root.resolve()).as_posix()
        how = f"--notebook {notebook}"
        console.print(f"{own} has all that a campaign needs")
    if tag is not None:
        best = adopt_best(root, known(root, tag), prefer=prefer, force=force).experiment
        score, notebook = with_error(best.score or 0, best.error), best.settings.notebook
        score += other_values(best.settings.task, best.runs)
        metric, folder = best.settings.task.objective.name, best.settings.task.folder
        how = f"--task {shlex.quote(folder)}" if folder else f"--notebook {shlex.quote(notebook)}"
        console.print(f"{notebook} is now experiment {best.number} of '{tag}', {metric} {score}")
    console.print(f"begin with it, under a new tag: autoresearch run TAG {how}")


def _adopt_for_task(root: Path, own: Path | None, task: Path, force: bool) -> None:
    if own is None:
        raise InputError("--task is for a notebook of your own: adopt --from FILE --task FOLDER")
    adopted = adopt_for_task(root, own, task, _ask if sys.stdin.isatty() else None, force=force)
    console.print(f"{task / adopted.path.name} is {own}, made fit for the task")
    for note in adopted.notes:
        console.print(f"- {note}")
    console.print(f"see what is missing still: autoresearch check {task}")


def _ask(question: str, default: str) -> str:
    """Ask a person in the terminal."""
    console.print()
    said: str = typer.prompt(question, default=default)
    return said
