"""A language model's campaign on two slots: two ideas at once, of which the later is kept first."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign import pools
from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.campaign.context import Context
from autoresearch_kit.execution import launch
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Experiment, Limits, Run, RunSpec, Settings, Verdict
from tests.campaign import made_up_runs, scripted, tiny
from tests.campaign.scripted import constants, submit
from tests.researchers.llm.server import Answer, Body, ChatServer, calls, said, text

IDEAS = {
    1: calls(constants(WIDTH=11), submit("Much wider")),
    2: calls(constants(WIDTH=16), submit("Wider")),
}
"""Two ideas that conflict; each digit 1 in the code scores better."""


def on_two_slots(workspace: Workspace, history: History, settings: Settings) -> Context:
    context = made_up_runs.made_up_context(workspace, history, settings)
    (device,) = context.devices
    return replace(context, devices=tuple(replace(device, name=f"cpu{at}") for at in range(2)))


@dataclass
class Night:
    """The requests that came, and the experiments as they were recorded."""

    bodies: list[Body] = field(default_factory=list)
    experiments: list[Experiment] = field(default_factory=list)
    second_is_kept: threading.Event = field(default_factory=threading.Event)

    def answer(self, body: Body) -> Answer:
        if "Answer with one word" in said(body):
            return text("ready")
        self.bodies.append(body)
        return IDEAS[scripted.experiment_of(body)]

    def execute(self, spec: RunSpec, waiting: None = None, **_: object) -> Run:
        """Make a run up; the first idea's is not over before the second idea is kept."""
        if "WIDTH = 11" in spec.notebook.read_text():
            assert self.second_is_kept.wait(60)
        return made_up_runs.made_up_run(spec)

    def asked(self, number: int) -> list[str]:
        return [said(body) for body in self.bodies if scripted.experiment_of(body) == number]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    root: Path = tiny.make_project(tmp_path_factory.mktemp("llm") / "project")
    made, settings = Night(), replace(made_up_runs.SETTINGS, researcher="llm")
    with pytest.MonkeyPatch.context() as patch, ChatServer(made.answer) as server:
        made_up_runs.make_up(patch)
        patch.setattr(pools, "find_context", on_two_slots)
        patch.setattr(launch, "execute", made.execute)
        campaign = Campaign("night", settings, root=root, model=scripted.model(server))
        for experiment in campaign.run(Limits(experiments=2)):
            made.experiments.append(experiment)
            if experiment.number == 2:
                made.second_is_kept.set()
        yield made


def test_a_request_says_what_runs_now(night: Night) -> None:
    assert "Much wider" in night.asked(2)[0]


def test_a_conflict_with_the_best_of_now_goes_back_to_the_model(night: Night) -> None:
    baseline, second, first = night.experiments
    assert [each.verdict for each in (baseline, second, first)] == [Verdict.KEEP] * 3
    assert (first.number, first.against, first.proposal.parent) == (1, 2, 2)
    assert [passed.base for passed in first.passed] == [0]
    assert first.constants["WIDTH"] == 11
    assert len(night.asked(1)) == 2
