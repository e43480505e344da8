"""push, fetch, bundle, restore: a campaign on other machines; `git clone` brings no refs of it."""

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
    console.print(f"'{tag}' is at {remote}; experiments that were new there: {new}")


@app.command()
def fetch(
    tag: Annotated[str | None, typer.Argument(help="One campaign; all if left out.")] = None,
    remote: Remote = "origin",
) -> None:
    """Get campaigns from a git remote or a bundle."""
    found = sharing.fetch(project(), tag, remote)
    console.print("here now: " + ", ".join(found))


@app.command()
def bundle(tag: Tag, output: Annotated[Path | None, typer.Option("-o")] = None) -> None:
    """Put a whole campaign into one file, which `fetch --remote FILE` reads."""
    known_history(tag)
    path = (output or Path(f"{tag}.bundle")).absolute()
    sharing.bundle(project(), tag, path)
    console.print(str(path))


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="What `run --copy-to` was given.")],
    tag: Annotated[str | None, typer.Argument(help="One campaign; all if left out.")] = None,
) -> None:
    """Bring campaigns back from their copy, with their data set: `run` then goes on with them."""
    for one in backup.restore(project(), folder, tag):
        console.print(f"'{one.tag}': {one.experiments} experiments are here, the baseline included")
        if one.lacks:
            console.print(f"warning: '{one.tag}' can't go on here: {one.lacks}")
        else:
            console.print(f"go on with it: autoresearch run {one.tag} --copy-to {folder}")
