"""The commands pause, resume, stop, guide and delete: steering campaigns."""

from typing import Annotated

import typer

from autoresearch_kit import ledger
from autoresearch_kit.errors import BusyError
from autoresearch_kit.records import Request
from autoresearch_kit.reports.status import known, under_way
from autoresearch_kit.ui.cli.app import Tag, app, console, open_workspace, project


@app.command()
def pause(tag: Tag) -> None:
    """Let a campaign wait after the experiments that are under way."""
    last = _ask(tag, Request.PAUSE)
    console.print(f"'{tag}' pauses after {last}; go on with: autoresearch resume {tag}")


@app.command()
def resume(tag: Tag) -> None:
    """Let a paused campaign go on."""
    _ask(tag, Request.RESUME)
    console.print(f"'{tag}' goes on")


@app.command()
def stop(
    tag: Tag,
    now: Annotated[
        bool, typer.Option("--now", help="End the runs that are under way too.")
    ] = False,
) -> None:
    """End a campaign after the experiments that are under way; `run` goes on with it later."""
    last = _ask(tag, Request.STOP_NOW if now else Request.STOP)
    console.print(f"'{tag}' stops {'at once; whatever runs is ended' if now else f'after {last}'}")


def _ask(tag: str, request: Request) -> str:
    """Ask a campaign for something, and return which experiments are under way."""
    workspace = open_workspace(tag)
    if not workspace.running():  # a campaign that is just starting is not known yet
        known(workspace.root, tag)
    workspace.ask(request)
    return under_way(workspace.state())


@app.command()
def guide(
    tag: Tag,
    text: Annotated[str | None, typer.Argument(help='What to try or leave; "" removes it.')] = None,
) -> None:
    """Give the researcher guidance, in place of what you said before.

    It is in the next prompt, whichever device that is for, and recorded with the experiments made
    under it.
    """
    workspace = open_workspace(known(project(), tag))
    if text is not None:
        workspace.write_guidance(text.strip())
    console.print(workspace.guidance() or "the researcher has no guidance")
    settings = workspace.settings()
    if settings is not None and settings.researcher != "llm":
        console.print(f"note: {settings.researcher} proposes in '{tag}', and doesn't read this")


@app.command()
def delete(
    tag: Tag, yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False
) -> None:
    """Remove a campaign for good: its experiments, its branch, its folder."""
    workspace = open_workspace(known(project(), tag))
    if workspace.running():
        raise BusyError(workspace.held_by())
    if not yes:
        typer.confirm(f"remove campaign '{tag}' and all its experiments?", abort=True)
    history = ledger.History(workspace.root, tag)
    if history.next_number():  # else it has not even a baseline
        history.delete()
    if workspace.folder.exists():
        workspace.delete()
    console.print(f"'{tag}' is removed")
