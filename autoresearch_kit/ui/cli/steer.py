"""The commands status, pause, resume, stop and delete: watching and steering campaigns."""

from typing import Annotated

import typer
from rich.markup import escape

from autoresearch_kit import ledger
from autoresearch_kit.errors import BusyError
from autoresearch_kit.records import Request
from autoresearch_kit.reports.reading import Reader, Reading
from autoresearch_kit.reports.status import known, known_campaigns
from autoresearch_kit.reports.summary import outcomes
from autoresearch_kit.ui.cli.app import Json, Tag, app, console, open_workspace, print_json, project
from autoresearch_kit.ui.cli.follow import follow
from autoresearch_kit.verdicts.noise import describe


@app.command()
def status(
    tag: Annotated[str | None, typer.Argument(help="A campaign (default: all).")] = None,
    watch: Annotated[
        bool, typer.Option("--follow", help="Follow the campaign until it ends.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what campaigns are doing and what they have found."""
    root = project()
    if watch and tag is not None:
        follow(open_workspace(known(root, tag)))
        return
    tags = [known(root, tag)] if tag else known_campaigns(root)
    readers = [Reader(root, name) for name in tags]
    if as_json:
        print_json([_record(reader) for reader in readers])
    else:
        lines = [_lines(reader.read(), reader.disk_kb()) for reader in readers] or [
            "no campaigns yet; begin: autoresearch run night"
        ]
        console.print("\n".join(lines), markup=True)


def _record(reader: Reader) -> dict[str, object]:
    return reader.read().record() | {"disk_kb_per_experiment": reader.disk_kb()}


def _lines(reading: Reading, disk_kb: float) -> str:
    """Return a campaign in a few lines that fit any terminal."""
    indent = "\n" + " " * (len(reading.tag) + 2)
    lines = [f"[bold]{reading.tag}[/]  {escape(reading.words())}"]
    if reading.baseline and reading.best:
        lines += [
            f"{reading.experiments} tried, {outcomes(reading)}",
            f"baseline {reading.baseline}, best {reading.best}, "
            f"{reading.gain / reading.baseline.value:.2%} lower",
            str(reading.spent),
            f"{disk_kb:.0f} KB of disk an experiment",
        ]
    if reading.noise:
        lines.append(f"noise: {describe(reading.noise)}")
    if str(reading.extra) != "none":
        lines.append(f"extra runs: {reading.extra}")
    if cost := reading.cost():
        lines.append(cost)
    if reading.warning:
        lines.append(f"[red]warning: {escape(reading.warning)}[/]")
    return indent.join(lines)


@app.command()
def pause(tag: Tag) -> None:
    """Let a campaign wait after the experiment that is under way."""
    _ask(tag, Request.PAUSE)
    console.print(f"'{tag}' pauses after this experiment; go on with: autoresearch resume {tag}")


@app.command()
def resume(tag: Tag) -> None:
    """Let a paused campaign go on."""
    _ask(tag, Request.RESUME)
    console.print(f"'{tag}' goes on")


@app.command()
def stop(
    tag: Tag,
    now: Annotated[bool, typer.Option("--now", help="End the run that is under way too.")] = False,
) -> None:
    """End a campaign after the experiment that is under way; `run` goes on with it later."""
    _ask(tag, Request.STOP_NOW if now else Request.STOP)
    console.print(f"'{tag}' stops {'at once' if now else 'after this experiment'}")


def _ask(tag: str, request: Request) -> None:
    workspace = open_workspace(tag)
    if not workspace.running():  # a campaign that is just starting is not known yet
        known(workspace.root, tag)
    workspace.ask(request)


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
    ledger.History(workspace.root, tag).delete()
    if workspace.folder.exists():
        workspace.delete()
    console.print(f"'{tag}' is removed")
