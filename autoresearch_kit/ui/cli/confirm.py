"""confirm: which keeps are real."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from autoresearch_kit.errors import BusyError, InputError
from autoresearch_kit.records import codec
from autoresearch_kit.reports.confirmation import Confirmation, Finding, Folder, KeepFound
from autoresearch_kit.studies.confirm.confirming import Confirming, Forecast, Progress
from autoresearch_kit.studies.confirm.judging import Standing
from autoresearch_kit.tasks.lm.task import TASK
from autoresearch_kit.ui.cli.app import Tag, app, console, known_history, project, workspace

STYLES = {Finding.REAL: "bold green", Finding.NEEDED: "green", Finding.FALSE: "red"}


@app.command()
def confirm(
    tag: Tag,
    seeds: Annotated[
        int | None, typer.Option(help="Run each without a keep so often (default: 3).")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was found so far as JSON; run nothing.")
    ] = False,
) -> None:
    """Which keeps are real: the best is re-run without each of them, with several seeds.

    Ctrl-C loses the run under way; the same command goes on. At the end there is a best without
    the keeps that are not real, for a new campaign to begin with.
    """
    known_history(tag)
    if as_json:
        print(codec.encode(_known(tag)).decode())  # noqa: T201
        return
    confirming = Confirming(project(), tag, seeds)
    if confirming.workspace.running():
        raise BusyError(confirming.workspace.held_by())
    forecast = confirming.forecast()
    if forecast.left:
        console.print(_forecast(forecast))
        if not forecast.done and not yes and sys.stdin.isatty():
            typer.confirm("begin?", abort=True)
    with _sigterm_as_ctrl_c():
        _run(confirming)
    found = _known(tag)
    console.print(_table(found))
    console.print(_end(confirming, found))


def _known(tag: str) -> Confirmation:
    found = Folder(workspace(tag)).confirmation()
    if found is None:
        raise InputError(f"'{tag}' is not confirmed yet; do it: autoresearch confirm {tag}")
    return found


def _forecast(forecast: Forecast) -> str:
    keeps = "1 keep" if forecast.keeps == 1 else f"{forecast.keeps} keeps"
    runs = f"{forecast.left} runs" + (" left" if forecast.done else "")
    words = f"{keeps}, each left out of the best: {runs}, {_time(forecast.left, forecast)}"
    more = f"; up to {forecast.more} more, {_time(forecast.more, forecast)}, for what stays unclear"
    return words + (more if forecast.more else "")


def _time(count: int, forecast: Forecast) -> str:
    minutes = round(count * forecast.seconds / 60)
    hours, minutes = divmod(minutes, 60)
    return f"about {hours} h {minutes} min" if hours else f"about {minutes} min"


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """In here, SIGTERM ends the command as Ctrl-C does, so that it says what goes on with it."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(confirming: Confirming) -> None:
    """Do the runs, a line each."""
    with console.status(_next(confirming.standing())) as status:
        try:
            for progress in confirming.run():
                console.print(_line(progress))
                status.update(_next(progress.standing))
        except KeyboardInterrupt as error:
            forecast = confirming.forecast()
            console.print(f"left; {forecast.done} runs are done, and the same command goes on")
            raise typer.Exit(130) from error


def _next(standing: Standing) -> str:
    if not standing.todo:
        return ""
    return f"{standing.todo[0].variant}, seed {standing.todo[0].at + 1}"


def _line(progress: Progress) -> str:
    todo, trial, standing = progress.todo, progress.trial, progress.standing
    done, left, run = len(standing.trials.done), len(standing.todo), trial.run
    said = f"{run.score.value:.6f}" if run.score else f"crashed ({run.failure}: {run.detail})"
    why = f"; repeated: {trial.disturbed}" if trial.disturbed else ""
    return f"{done:3d} of {done + left}  {said}  {todo.variant}, seed {todo.at + 1}{why}"


def _table(found: Confirmation) -> Table:
    table = Table("", "idea", "claimed", "worth", "helps", "runs", "", "", box=None, pad_edge=False)
    for keep in found.keeps:
        worth = f"{keep.worth.value:.6f} ± {keep.worth.error:.6f}" if keep.worth else "-"
        helps = f"{keep.worth.helps:.1%}" if keep.worth else "-"
        finding = Text(keep.finding, STYLES.get(keep.finding, ""))
        stays = "" if keep.stays or not found.pruned else "pruned"
        claimed, idea = f"{keep.claimed:.6f}", Text(_idea(keep))
        table.add_row(str(keep.number), idea, claimed, worth, helps, str(keep.runs), finding, stays)
    return table


def _idea(keep: KeepFound) -> str:
    along = f"left out with {', '.join(map(str, keep.along))}, which it carries"
    notes = [*([along] if keep.along else []), *([keep.detail] if keep.detail else [])]
    return "\n".join([keep.idea, *notes])


def _end(confirming: Confirming, found: Confirmation) -> str:
    """The best and the pruned best, and the next step."""
    pruned = None if found.pruned == found.best else found.pruned
    measured = {"baseline": found.baseline, "best": found.best, "pruned best": pruned}
    lines = [f"{name:12s} {TASK.objective.name} {one}" for name, one in measured.items() if one]
    if found.left:
        return "\n".join([*lines, f"at least {found.left} runs left; the same command goes on"])
    source = f"--from {confirming.folder.pruned.relative_to(confirming.workspace.root)}"
    return "\n".join(
        [
            *lines,
            found.detail,
            f"begin with it: autoresearch adopt {source if found.prune else found.tag}",
            "and then, under a new tag: autoresearch run TAG --profile as-is",
        ]
    )
