"""The command bound: what a campaign's keeps must hold."""

from typing import Annotated

import typer

from autoresearch_kit import ledger
from autoresearch_kit.campaign.aims import bounds_in, parse, with_bounds
from autoresearch_kit.errors import InputError
from autoresearch_kit.records import Bound, Experiment
from autoresearch_kit.reports.status import known
from autoresearch_kit.ui.cli.app import Tag, app, console, open_workspace, project


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
    """Check that runs so far were measured by the metrics of these bounds.

    Raises:
        InputError: none was.
    """
    scores = [run.score for each in experiments for run in each.runs if run.score]
    for each in asked:
        if scores and all(score.of(each.metric) is None for score in scores):
            raise InputError(
                f"bound '{each}': {each.metric} was measured of none of the runs so far, so that "
                "no keep could hold it"
            )
