"""A campaign that is over says why."""

from pathlib import Path

import pytest

from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Limits, Request, Stage
from tests.campaign import made_up_runs


@pytest.mark.parametrize(
    ("limits", "request_made", "why"),
    [
        (Limits(experiments=0), None, "done"),
        (Limits(hours=0.0), None, "its 0 hours are over"),
        (Limits(), Request.STOP, "stopped, as asked; the next start goes on"),
    ],
)
def test_it_says_why(limits: Limits, request_made: Request | None, why: str, project: Path) -> None:
    workspace = Workspace(project, "night")
    with made_up_runs.made_up():
        for _ in made_up_runs.campaign_in(project, limits):
            if request_made:
                workspace.ask(request_made)
    state = workspace.state()
    assert state is not None
    assert (state.stage, state.message) == (Stage.ENDED, why)


def test_a_caller_that_leaves_is_no_failure(project: Path) -> None:
    with made_up_runs.made_up():
        experiments = made_up_runs.campaign_in(project, Limits())
        next(experiments)
        experiments.close()
    state = Workspace(project, "night").state()
    assert state is not None
    assert state.stage is Stage.ENDED
