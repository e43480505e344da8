"""A campaign in words."""

from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Command, Limits, Request, Stage, State
from autoresearch_kit.reports.status import read_status, words


def running(stage: Stage) -> State:
    return State("night", 1, stage, "", 4, "wider", "", 1.6, Limits(), 10.0, 10.0)


@pytest.mark.parametrize(
    ("stage", "request_", "said"),
    [
        (Stage.RUNNING, None, "running, experiment 4, seen 2 s ago"),
        (Stage.RUNNING, Request.STOP, "running, experiment 4, stops after it, seen 2 s ago"),
        (Stage.RUNNING, Request.STOP_NOW, "running, experiment 4, stops now, seen 2 s ago"),
        (Stage.RUNNING, Request.PAUSE, "running, experiment 4, pauses after it, seen 2 s ago"),
        (Stage.PAUSED, Request.PAUSE, "paused, experiment 4, seen 2 s ago"),
        (Stage.RUNNING, Request.RESUME, "running, experiment 4, seen 2 s ago"),
    ],
)
def test_what_was_asked_and_is_not_done_yet_is_said(
    stage: Stage, request_: Request | None, said: str
) -> None:
    assert words(running(stage), True, request_, 12.0) == said


@pytest.mark.parametrize("command", Command)
def test_what_died_says_which_command_goes_on(command: Command, project: Path) -> None:
    workspace = Workspace(project, "night")
    workspace.create()
    workspace.write_state(replace(running(Stage.RUNNING), command=command))
    said = f"died while running; go on with: autoresearch {command} night"
    assert read_status(project, "night").words(12.0) == said
