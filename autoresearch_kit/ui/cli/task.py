"""The commands new and check: a task that is a folder."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from autoresearch_kit.campaign.options import task_in_project
from autoresearch_kit.errors import InputError
from autoresearch_kit.execution.sandbox.visible_files import absent_hidden, seen_in_hidden
from autoresearch_kit.tasks.measured import layout, task_file
from autoresearch_kit.tasks.measured.check import problems
from autoresearch_kit.tasks.measured.scaffold import TO_FILL_IN, new_task
from autoresearch_kit.ui.cli.app import app, console, project


@app.command()
def new(folder: Annotated[Path, typer.Argument(help="The folder to make.")]) -> None:
    """Make the folder of a task of your own; it runs as it is, and says what to fill in."""
    name = shlex.quote(task_in_project(project(), str(folder.absolute())))
    new_task(folder.absolute())
    console.print(f"{folder} is a task that runs as it is; make it yours:")
    for part, meaning in TO_FILL_IN:
        console.print(f"  {part:<14} {meaning}")
    console.print(f"\nwhat is wrong with it:  autoresearch check {name}")
    console.print(f"run it:                 autoresearch run TAG --task {name}")


@app.command()
def check(folder: Annotated[Path, typer.Argument(help="The task's folder.")]) -> None:
    """Say all that is wrong with a task's folder, each with the way to mend it."""
    root = project()
    name = task_in_project(root, str(folder.absolute()))
    found = problems(root, name)
    told, _ = task_file.examine(root, name)
    hides, sees = (told.hides, told.sees) if told else ((), ())
    found += [f"{name}/{layout.TASK_FILE} {each}" for each in seen_in_hidden(hides, sees)]
    for problem in found:
        console.print(f"- {problem}")
    if found:
        raise InputError(f"{name} can't be run yet: {len(found)} to mend")
    for path in absent_hidden(hides):
        console.print(f"warning: {name} hides {path}, which no installed package here has")
    run = f"autoresearch run TAG --task {shlex.quote(name)}"
    console.print(f"{name} has all that a campaign needs: {run}")
