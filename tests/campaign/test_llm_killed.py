"""Kill a campaign with a language model three times; it makes the same experiments.

Runs are made up; requests, git and processes are real.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.files.under_way import UnderWay
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import (
    EditProtocol,
    Experiment,
    Limits,
    Proposal,
    Research,
    Stage,
    State,
)
from autoresearch_kit.researchers import Model
from tests.campaign import made_up_runs, scripted, tiny
from tests.campaign.scripted import constants, submit
from tests.researchers.llm.server import Answer, Body, ChatServer, calls, said, text

pytestmark = pytest.mark.slow

EXPERIMENTS = 6
MOMENTS = ("running 1", "prepared 4", "recording 5")
SETTINGS = replace(made_up_runs.SETTINGS, researcher="llm")


def script(body: Body) -> Answer:
    """Propose another width for each experiment: now better, now worse."""
    if "Answer with one word" in said(body):
        return text("ready")
    if scripted.is_lessons(body):
        return text("worked: another width")
    number = scripted.experiment_of(body)
    if number == 3 and not scripted.turn_of(body):
        return calls(("read", {"what": 0}))
    values = constants(WIDTH=number * 7 % 30 + 4, RATE=0.03 + number / 1000)
    return calls(values, submit(f"idea {number}"))


def carry_on(root: Path, url: str, moment: str) -> None:
    """Run the campaign to its end, or until `moment`, at which this process kills itself."""
    research = Research("scripted", url, EditProtocol.AUTO, 24_000, optuna_every=5)
    with pytest.MonkeyPatch.context() as patch:
        made_up_runs.make_up(patch)
        kill_at(moment, patch)
        campaign = Campaign("night", SETTINGS, root=root, model=Model(research, scripted.KEY, 2))
        for _ in campaign.run(Limits(experiments=EXPERIMENTS)):
            pass


def kill_at(moment: str, patch: pytest.MonkeyPatch) -> None:
    def kill_if(reached: str) -> None:
        if reached == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def write_state(workspace: Workspace, state: State) -> None:
        states(workspace, state)
        if state.stage in (Stage.RUNNING, Stage.RECORDING):
            kill_if(f"{state.stage} {state.number}")

    def write_prepared(under_way: UnderWay, proposal: Proposal) -> None:
        proposals(under_way, proposal)
        kill_if(f"prepared {proposal.number}")

    states: Callable[[Workspace, State], None] = Workspace.write_state
    proposals: Callable[[UnderWay, Proposal], None] = UnderWay.write_prepared
    patch.setattr(Workspace, "write_state", write_state)
    patch.setattr(UnderWay, "write_prepared", write_prepared)


CARRY_ON = """
import sys
from pathlib import Path
from tests.campaign.test_llm_killed import carry_on
carry_on(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
"""


def night(root: Path, server: ChatServer, moments: tuple[str, ...]) -> list[Experiment]:
    """Run a whole campaign, by processes that are killed at these moments, and to its end."""
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    argv = [sys.executable, "-c", CARRY_ON, str(root), server.url]
    for moment in moments:
        done = subprocess.run([*argv, moment], env=env, capture_output=True, text=True)
        assert done.returncode == -signal.SIGKILL, done.stderr
    carry_on(root, server.url, "never")
    return History(root, "night").experiments()


def outline(experiments: list[Experiment]) -> list[tuple[object, ...]]:
    """Return what must be the same: who proposed what to which, and what came of it."""
    return [
        (
            experiment.number,
            experiment.proposal.parent,
            experiment.proposal.researcher,
            experiment.proposal.idea,
            dict(experiment.constants),
            experiment.verdict,
            experiment.reason,
            experiment.score,
            experiment.proposal.lessons,
        )
        for experiment in experiments
    ]


def test_killed_three_times_it_makes_the_same_experiments(tmp_path: Path) -> None:
    with ChatServer(script) as server:
        never = night(tiny.make_project(tmp_path / "never"), server, ())
        thrice = night(tiny.make_project(tmp_path / "thrice"), server, MOMENTS)
    assert len(never) == EXPERIMENTS + 1
    assert {each.proposal.researcher for each in never} == {"baseline", "llm", "optuna"}
    assert outline(thrice) == outline(never)
