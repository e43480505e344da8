"""Steering campaigns: pause, resume, stop, guide, delete, bound, approve, reject, audit."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from autoresearch_kit import ledger
from autoresearch_kit.campaign.aims import bounds_in, parse, with_bounds
from autoresearch_kit.errors import BusyError, InputError
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.records import Bound, Experiment, Request, best_of
from autoresearch_kit.reports.audit_trail import audit_page
from autoresearch_kit.reports.status import known, under_way
from autoresearch_kit.ui.cli.app import Tag, app, console, known_history, open_workspace, project

Number = Annotated[int, typer.Argument(help="The number of a keep that waits.")]
Note = Annotated[str, typer.Option(help="Why; it is recorded with your name.")]


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


@app.command()
def bound(
    tag: Tag,
    bounds: Annotated[
        list[str] | None, typer.Argument(help="Such as `parameters <= 30e6`; none lists them.")
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(help="The metric whose bounds are to go, or a bound.")
    ] = None,
) -> None:
    """List a campaign's bounds, add some, or remove some; a running one heeds them from now on.

    A bound takes the place of one on the same side of the same metric.
    """
    workspace = open_workspace(known(project(), tag))
    experiments = ledger.History(workspace.root, tag).experiments()
    settings = workspace.settings() or experiments[0].settings
    task = bounds_in(workspace, experiments, settings.task)
    asked = [parse(text) for text in bounds or ()]
    left = list(task.bounds)
    for text in remove or ():
        gone = [each for each in left if text == each.metric or each == Bound.parse(text)]
        if not gone:
            there = ", ".join(map(str, left)) or "none"
            raise InputError(f"--remove is {text!r}, and '{tag}' has no such bound; there: {there}")
        left = [each for each in left if each not in gone]
    if asked or remove:
        task = with_bounds(task, left, asked)
        _check_measured(asked, experiments)
        workspace.write_bounds(task.bounds)
    console.print("\n".join(map(str, task.bounds)) or f"'{tag}' has no bounds")


def _check_measured(asked: list[Bound], experiments: list[Experiment]) -> None:
    """Check that runs so far were measured by these bounds' metrics; InputError if none was."""
    scores = [run.score for each in experiments for run in each.runs if run.score]
    for each in asked:
        if scores and all(score.of(each.metric) is None for score in scores):
            raise InputError(
                f"bound '{each}': {each.metric} was measured of none of the runs so far, so that "
                "no keep could hold it"
            )


@app.command()
def approve(tag: Tag, number: Number, note: Note = "") -> None:
    """Let a campaign that was started with --approve build on a keep.

    Your name, the time and the answer are recorded in git, and are never changed.
    """
    _answer(tag, number, note, approved=True)


@app.command()
def reject(tag: Tag, number: Number, note: Note = "") -> None:
    """Have a campaign that was started with --approve never build on a keep."""
    _answer(tag, number, note, approved=False)


@app.command()
def audit(
    tag: Tag,
    file: Annotated[
        Path | None, typer.Argument(help="The file to write (default: TAG-audit.html).")
    ] = None,
) -> None:
    """Write what led to each keep into one HTML file, for an auditor.

    Settings, bounds, directives; of each keep its diff, runs, verdict, model, prompts, tool calls,
    approval and commits. Programs read the same as JSON in its element `records`.
    """
    path = file or Path(f"{tag}-audit.html")
    if not path.absolute().parent.is_dir():
        raise InputError(f"no folder {path.parent}; make it: mkdir -p {path.parent}")
    page = audit_page(known_history(tag), datetime.now(UTC).isoformat(timespec="seconds"))
    write_atomic(path, page.encode())
    console.print(str(path))


def _answer(tag: str, number: int, note: str, *, approved: bool) -> None:
    history = known_history(tag)
    answer = history.answer(number, approved=approved, note=note)
    experiments = history.experiments()
    waiting = [str(each.number) for each in experiments if each.waits]
    best = best_of(experiments)
    console.print(f"experiment {number} of '{tag}' is {answer}")
    console.print(f"the best is experiment {best.number if best else 0}")
    if waiting:
        console.print(f"still waiting for approval: {', '.join(waiting)}")
