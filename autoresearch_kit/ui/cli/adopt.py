"""The command adopt: the notebook that the next campaign begins with."""

from pathlib import Path
from typing import Annotated

import typer

from autoresearch_kit.campaign.adopt import adopt_best, adopt_file
from autoresearch_kit.errors import InputError
from autoresearch_kit.records.text import with_error
from autoresearch_kit.reports.status import known
from autoresearch_kit.ui.cli.app import app, console, project


@app.command()
def adopt(
    tag: Annotated[str | None, typer.Argument(help="The campaign whose best to take.")] = None,
    own: Annotated[
        Path | None, typer.Option("--from", help="A notebook of your own instead.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite changes that are in no commit.")
    ] = False,
) -> None:
    """Let the next campaign begin with a campaign's best notebook, or with your own.

    A best takes the place of its campaign's first notebook; your own becomes notebooks/train.ipynb.
    """
    if (tag is None) == (own is None):
        raise InputError("name a campaign (adopt TAG) or your own notebook (adopt --from FILE)")
    root = project()
    if own is not None:
        path = adopt_file(root, own, force=force)
        notebook = path.resolve().relative_to(root.resolve()).as_posix()
        console.print(f"{own} has all that a campaign needs")
    if tag is not None:
        best = adopt_best(root, known(root, tag), force=force).experiment
        score, notebook = with_error(best.score or 0, best.error), best.settings.notebook
        metric = best.settings.task.objective.name
        console.print(f"{notebook} is now experiment {best.number} of '{tag}', {metric} {score}")
    console.print(f"begin with it, under a new tag: autoresearch run TAG --notebook {notebook}")
