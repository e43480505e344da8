"""The command confirm: which keeps are real."""

import signal
import sys
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from autoresearch_kit.errors import BusyError, InputError
from autoresearch_kit.records import codec
from autoresearch_kit.records.text import rounded, with_error
from autoresearch_kit.reports.confirmation import Confirmation, Finding, Folder, KeepFound
from autoresearch_kit.studies.confirm.confirming import Confirming
from autoresearch_kit.studies.confirm.judging import Standing, Todo
from autoresearch_kit.ui.cli.app import Tag, app, console, known_history, open_workspace, project

STYLES = {Finding.REAL: "bold green", Finding.NEEDED: "green", Finding.FALSE: "red"}


@app.command()
def confirm(
    tag: Tag,
    seeds: Annotated[
        int | None, typer.Option(help="Runs of the best without a keep (default: 3).")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the results so far as JSON; run nothing.")
    ] = False,
) -> None:
    """Find out which keeps are real: run the best without each of them, with several seeds.

    Ctrl-C loses only the run under way; the same command goes on. At the end there is a best
    without the keeps that are not real, for a new campaign to begin with.
    """
    known_history(tag)
    if as_json:
        print(codec.encode(_known(tag)).decode())  # noqa: T201
        return
    confirming = Confirming(project(), tag, seeds)
    if confirming.workspace.running():
        raise BusyError(confirming.workspace.held_by())
    standing = confirming.standing()
    if standing.left:
        console.print(_forecast(standing, confirming.run_seconds()))
        if not standing.trials.done and not yes and sys.stdin.isatty():
            typer.confirm("begin?", abort=True)
    _run(confirming)
    confirmation = _known(tag)
    console.print(_table(confirmation))
    console.print(_end(confirming, confirmation))


def _known(tag: str) -> Confirmation:
    confirmation = Folder(open_workspace(tag)).read(Confirmation)
    if confirmation is None:
        raise InputError(f"'{tag}' is not confirmed yet; do it: autoresearch confirm {tag}")
    return confirmation


def _forecast(standing: Standing, seconds: float) -> str:
    """Return how many runs are left and how long they take, at so many seconds a run."""

    def time(count: int) -> str:
        hours, minutes = divmod(round(count * seconds / 60), 60)
        return f"about {hours} h {minutes} min" if hours else f"about {minutes} min"

    count, left, more = len(standing.plan.keeps), standing.left, standing.more
    keeps = "1 keep" if count == 1 else f"{count} keeps"
    runs = f"{left} runs" + (" left" if standing.trials.done else "")
    words = f"{keeps}, each left out of the best: {runs}, {time(left)}"
    return f"{words}; up to {more} more, {time(more)}, for what stays unclear" if more else words


def _run(confirming: Confirming) -> None:
    """Do the runs and print a line for each."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends it as Ctrl-C does
    try:
        with console.status(_next(confirming.standing())) as status:
            for standing in confirming.run():
                console.print(_line(standing))
                status.update(_next(standing))
    except KeyboardInterrupt as error:
        done = len(confirming.standing().trials.done)
        console.print(f"stopped; {done} runs are done; the same command goes on")
        raise typer.Exit(130) from error
    finally:
        signal.signal(signal.SIGTERM, before)


def _next(standing: Standing) -> str:
    return str(standing.todo[0]) if standing.todo else ""


def _line(standing: Standing) -> str:
    """Return the run that was just done as a line."""
    trial, done = standing.trials.done[-1], len(standing.trials.done)
    run, words = trial.run, Todo(standing.variants[trial.code], trial.at)
    said = rounded(run.score.value) if run.score else f"crashed ({run.failure}: {run.detail})"
    why = f"; repeated: {trial.disturbed}" if trial.disturbed else ""
    return f"{done:3d} of {done + len(standing.todo)}  {said}  {words}{why}"


def _table(confirmation: Confirmation) -> Table:
    table = Table("", "idea", "claimed", "worth", "helps", "runs", "", "", box=None, pad_edge=False)
    for keep in confirmation.keeps:
        worth = with_error(keep.worth.value, keep.worth.error) if keep.worth else "-"
        helps = f"{keep.worth.helps:.1%}" if keep.worth else "-"
        finding = Text(keep.finding, STYLES.get(keep.finding, ""))
        stays = "" if keep.stays or not confirmation.pruned else "pruned"
        claimed, idea = rounded(keep.claimed), Text(_idea(keep))
        table.add_row(str(keep.number), idea, claimed, worth, helps, str(keep.runs), finding, stays)
    return table


def _idea(keep: KeepFound) -> str:
    along = f"left out with {', '.join(map(str, keep.along))}, which it carries"
    notes = [*([along] if keep.along else []), *([keep.detail] if keep.detail else [])]
    return "\n".join([keep.idea, *notes])


def _end(confirming: Confirming, confirmation: Confirmation) -> str:
    """Return the scores of the best and the pruned best, and the next step."""
    pruned = None if confirmation.pruned == confirmation.best else confirmation.pruned
    measured = {"baseline": confirmation.baseline, "best": confirmation.best, "pruned best": pruned}
    metric = confirming.experiments[0].settings.task.objective.name
    lines = [f"{name:12s} {metric} {score}" for name, score in measured.items() if score]
    if confirmation.left:
        lines.append(f"at least {confirmation.left} runs left; the same command goes on")
        return "\n".join(lines)
    pruned_file = confirming.folder.pruned.relative_to(confirming.workspace.root)
    source = f"--from {pruned_file}" if confirmation.prune else confirmation.tag
    lines += [
        confirmation.detail,
        f"begin with it: autoresearch adopt {source}",
        "and then, under a new tag: autoresearch run TAG --profile as-is",
    ]
    return "\n".join(lines)
