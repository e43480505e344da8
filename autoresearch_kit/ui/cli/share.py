"""The commands push, fetch, bundle and restore: campaigns on other machines."""

from pathlib import Path
from typing import Annotated

import typer

from autoresearch_kit.campaign import backup
from autoresearch_kit.ledger import sharing
from autoresearch_kit.ui.cli.app import Tag, app, console, known_history, project

Remote = Annotated[str, typer.Option(help="A git remote, an address, or a bundle file.")]


@app.command()
def push(tag: Tag, remote: Remote = "origin") -> None:
    """Send a campaign's experiments and branch to a git remote."""
    known_history(tag)
    new = sharing.push(project(), tag, remote)
    console.print(f"'{tag}' is at {remote}; new experiments there: {new}")


@app.command()
def fetch(
    tag: Annotated[str | None, typer.Argument(help="A campaign (default: all).")] = None,
    remote: Remote = "origin",
) -> None:
    """Get campaigns from a git remote or a bundle."""
    console.print("here now: " + ", ".join(sharing.fetch(project(), tag, remote)))


@app.command()
def bundle(tag: Tag, output: Annotated[Path | None, typer.Option("-o")] = None) -> None:
    """Write a whole campaign into one file, for `fetch --remote FILE`."""
    known_history(tag)
    path = (output or Path(f"{tag}.bundle")).absolute()
    sharing.bundle(project(), tag, path)
    console.print(str(path))


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="The folder of `run --copy-to`.")],
    tag: Annotated[str | None, typer.Argument(help="A campaign (default: all).")] = None,
) -> None:
    """Bring campaigns and their data sets back from a copy; `run` then goes on with them."""
    for restored in backup.restore(project(), folder, tag):
        name, count = restored.tag, restored.experiments
        console.print(f"'{name}': {count} experiments are here, the baseline included")
        if restored.lacks:
            console.print(f"warning: '{name}' can't go on here: {restored.lacks}")
        else:
            console.print(f"go on with it: autoresearch run {name} --copy-to {folder}")
