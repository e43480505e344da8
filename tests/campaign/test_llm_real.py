"""An experiment of a language model that is really run: probed, crashed, mended, kept."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.records import Experiment, Limits, Reason, Verdict
from autoresearch_kit.ui.cli.read import prompt
from tests.campaign import scripted, tiny
from tests.campaign.scripted import constants, edit, submit
from tests.researchers.llm.server import Answer, Body, ChatServer, calls, said, text

pytestmark = pytest.mark.slow

PRINTING = edit("train", "batches = run", "print('hello from the draft')\nbatches = run")
BUG = edit("model", "self.embed(tokens)", "self.embed(tokens).no_such_method()")
MENDED = edit("model", ".no_such_method()", ".tanh()")


@dataclass
class Done:
    bodies: list[Body] = field(default_factory=list)
    experiments: list[Experiment] = field(default_factory=list)
    root: Path = Path()

    def answer(self, body: Body) -> Answer:
        if "Answer with one word" in said(body):
            return text("ready")
        self.bodies.append(body)
        if scripted.is_repair(body):
            return calls(MENDED, submit("More steps, squashed"))
        if scripted.turn_of(body) == 0:
            return calls(constants(STEPS=12), PRINTING, ("probe", {}))
        return calls(BUG, submit("More steps"))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Done:
    model = tiny.CELLS["model"] + "print('\\x1b[31mwide:', WIDTH)\n"
    made = Done(root=scripted.make_project(tmp_path_factory.mktemp("llm") / "project", model=model))
    (made.root / "program.md").write_text("Make it predict better, in fewer lines.")
    with ChatServer(made.answer) as server:
        campaign = scripted.campaign(made.root, corpus, scripted.model(server))
        made.experiments += campaign.run(Limits(experiments=1))
    return made


def test_a_probe_shows_what_the_draft_did(done: Done) -> None:
    told = said(done.bodies[1])
    assert "the probe ran to its end, and handed a model over, which was not scored" in told
    assert "11 steps" in told
    assert "step times: " in told
    assert "by torch.profiler (" in told
    assert "aten::" in told
    assert "printed:\n| [cell model]\n| wide: 8\n| [cell train]\n| hello from the draft" in told
    assert "1 of 2 probes left" in told
    [probe] = done.experiments[1].probes
    assert (probe.steps, probe.score, probe.failure) == (11, None, None)


def test_a_bug_is_mended_within_its_experiment(done: Done) -> None:
    first = done.experiments[1]
    assert first.verdict is Verdict.KEEP
    assert first.profiled is not None
    [attempt] = first.proposal.attempts
    assert attempt.run.failure is Reason.ERROR
    assert attempt.traceback.startswith("cell 'train', line ")
    assert "cell 'model', line" in attempt.traceback
    assert "no_such_method" in attempt.traceback.splitlines()[-1]
    assert "tanh" in Campaign("night", root=done.root).history.source(1)


def test_the_traceback_reaches_the_model_as_a_quotation(done: Done) -> None:
    quoted = "| AttributeError: 'Tensor' object has no attribute 'no_such_method'"
    assert quoted in said(done.bodies[2])


def test_the_next_prompt_has_the_directive_and_what_was_printed(
    done: Done, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(done.root)
    prompt("night")
    shown = capsys.readouterr().out
    assert "Make it predict better, in fewer lines." in shown
    assert "Propose experiment 2" in shown
    assert "| [cell model]\n| wide: 8\n" in shown
