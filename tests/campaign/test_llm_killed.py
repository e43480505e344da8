"""A campaign with a language model, killed three times, tells the same story as one that was not.

CI tries few experiments; ENDURANCE_EXPERIMENTS=30 makes it the night that it stands for.
"""

import contextlib
import os
import signal
from pathlib import Path

import pytest

from autoresearch_kit.campaign import detached
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Experiment, Limits, Stage
from tests.campaign import scripted
from tests.campaign.moments import Seen, ended, wait_for
from tests.campaign.scripted import constants, submit
from tests.researchers.llm.server import Answer, Body, ChatServer, calls, said, text

pytestmark = pytest.mark.slow

EXPERIMENTS = int(os.environ.get("ENDURANCE_EXPERIMENTS", "3"))
KILLS = [EXPERIMENTS * part // 4 for part in (1, 2, 3)]


def script(body: Body) -> Answer:
    """For each experiment another number of steps: now better, now worse."""
    if "Answer with one word" in said(body):
        return text("ready")
    if scripted.is_lessons(body):
        return text("worked: more steps")
    number = scripted.experiment_of(body)
    if number % 7 == 3 and not scripted.turn_of(body):
        return calls(("read", {"what": 0}))
    values = constants(STEPS=number * 7 % 30 + 1, RATE=0.03 + number / 1000)
    return calls(values, submit(f"idea {number}"))


def running(number: int) -> Seen:
    def seen(workspace: Workspace) -> bool:
        state = workspace.state()
        return state is not None and state.number == number and state.stage is Stage.RUNNING

    return seen


def prepared(number: int) -> Seen:
    def seen(workspace: Workspace) -> bool:
        ahead = workspace.ahead()
        return ahead is not None and ahead.number == number

    return seen


def recording(number: int) -> Seen:
    def seen(workspace: Workspace) -> bool:
        state = workspace.state()
        return state is not None and (
            state.number > number or (state.number == number and state.stage is Stage.RECORDING)
        )

    return seen


MOMENTS = (running(KILLS[0]), prepared(KILLS[1] + 1), recording(KILLS[2]))


def night(
    root: Path, corpus: Path, server: ChatServer, moments: tuple[Seen, ...]
) -> list[Experiment]:
    """A whole campaign as a process of its own, killed at these moments."""
    model = scripted.model(server, optuna_every=5)
    campaign = scripted.campaign(root, corpus, model)
    limits, workspace = Limits(experiments=EXPERIMENTS), campaign.workspace
    for seen in moments:
        process = detached.start(workspace, campaign.settings, limits, model)
        wait_for(seen, workspace, process)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
    process = detached.start(workspace, campaign.settings, limits, model)
    assert ended(workspace, process) == 0, workspace.log.read_text()
    return History(root, "night").experiments()


def story(experiments: list[Experiment]) -> list[tuple[object, ...]]:
    """What must be the same: who proposed what to which, and what came of it."""
    return [
        (
            one.number,
            one.proposal.parent,
            one.proposal.researcher,
            one.proposal.idea,
            dict(one.constants),
            [run.steps for run in one.runs],
            one.verdict,
            one.reason,
            one.val_bpb and round(one.val_bpb, 6),
            one.proposal.lessons,
        )
        for one in experiments
    ]


def test_killed_three_times_it_tells_the_same_story(tmp_path: Path, corpus: Path) -> None:
    with ChatServer(script) as server:
        never = night(scripted.make_project(tmp_path / "never"), corpus, server, ())
        thrice = night(scripted.make_project(tmp_path / "thrice"), corpus, server, MOMENTS)
    assert len(never) == EXPERIMENTS + 1
    assert story(thrice) == story(never)
