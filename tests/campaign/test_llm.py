"""A campaign whose researcher is a language model: the real client, loop, kernels and git."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from autoresearch_kit.campaign import Campaign
from autoresearch_kit.records import Experiment, Limits, Reason, Verdict
from tests.campaign import scripted
from tests.campaign.scripted import constants, edit, submit
from tests.researchers.llm.server import Answer, Body, ChatServer, calls, said, text

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

BUG = edit("model", "self.embed(tokens)", "self.embed(tokens).no_such_method()")
MENDED = edit("model", ".no_such_method()", ".tanh()")


@dataclass
class Night:
    """What each experiment's conversation is answered; the requests that came."""

    bodies: list[Body] = field(default_factory=list)

    def answer(self, body: Body) -> Answer:
        if "Answer with one word" in said(body):
            return text("ready")
        self.bodies.append(body)
        if scripted.is_lessons(body):
            return text("worked: more steps (1)")
        turns = {
            1: [calls(constants(STEPS=12)), calls(submit("More steps", "constants"))],
            2: [
                calls(constants(STEPS=4)),
                calls(submit("Back to four steps")),
                calls(constants(STEPS=2), submit("Fewer steps")),
            ],
            3: [calls(BUG, submit("Squash the embedding", "architecture"))],
            4: [calls(edit("model", "width)", "wdith)")), *[calls(submit("A slip"))] * 3],
            5: [calls(constants(RATE=0.09), submit("Learn faster"))],
        }[scripted.experiment_of(body)]
        if scripted.is_repair(body):
            turns = [calls(MENDED, submit("Squash the embedding"))]
        return turns[min(scripted.turn_of(body), len(turns) - 1)]


@dataclass(frozen=True)
class Done:
    campaign: Campaign
    night: Night
    experiments: list[Experiment]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, corpus: Path, data_home: Path) -> Iterator[Done]:
    """Five experiments after the baseline, all of one night."""
    root = scripted.make_project(tmp_path_factory.mktemp("llm") / "project")
    (root / "program.md").write_text("Make it predict better, in fewer lines.")
    night = Night()
    with pytest.MonkeyPatch.context() as patch, ChatServer(night.answer) as server:
        patch.setenv("AUTORESEARCH_DATA", str(data_home))
        campaign = scripted.campaign(root, corpus, scripted.model(server))
        campaign.workspace.write_guidance("wider, not deeper")
        experiments = list(campaign.run(Limits(experiments=5)))
        yield Done(campaign, night, experiments)


def test_a_better_edit_is_kept(done: Done) -> None:
    assert (done.experiments[1].verdict, done.experiments[1].proposal.idea) == (
        Verdict.KEEP,
        "More steps",
    )


def test_the_notebook_of_a_keep_has_the_edit(done: Done) -> None:
    assert "STEPS = 12" in done.campaign.history.source(1)
