"""A campaign whose researcher is a language model: the real client, loop, kernels and git."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.records import Experiment, Limits, Reason, Verdict
from autoresearch_kit.ui import cli
from tests.campaign import scripted, tiny
from tests.campaign.scripted import constants, edit, submit
from tests.researchers.llm.server import Answer, Body, ChatServer, calls, said, text

pytestmark = pytest.mark.slow

BUG = edit("model", "self.embed(tokens)", "self.embed(tokens).no_such_method()")
PRINTING = edit("train", "batches = run", "print('hello from the draft')\nbatches = run")
QUIET = edit("train", "print('hello from the draft')\n", "")
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
            1: [
                calls(constants(STEPS=12), PRINTING, ("probe", {})),
                calls(QUIET, submit("More steps", "constants")),
            ],
            2: [
                calls(constants(STEPS=4)),
                calls(submit("Back to four steps")),
                calls(constants(STEPS=2), submit("Fewer steps")),
            ],
            3: [calls(BUG, submit("Squash the embedding", "architecture"))],
            4: [
                calls(edit("model", "Embedding(vocab, width)", "Embedding(vocab, wdith)")),
                *[calls(submit("A slip"))] * 3,
            ],
            5: [calls(constants(RATE=0.09), submit("Learn [/faster]"))],
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
def done(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Iterator[Done]:
    """Five experiments after the baseline, all of one night."""
    model = tiny.CELLS["model"] + "print('\\x1b[31mwide:', WIDTH)\n"
    root = scripted.make_project(tmp_path_factory.mktemp("llm") / "project", model=model)
    (root / "program.md").write_text("Make it predict better, in fewer lines.")
    night = Night()
    with ChatServer(night.answer) as server:
        campaign = scripted.campaign(root, corpus, scripted.model(server))
        campaign.workspace.write_guidance("wider, not deeper")
        experiments = list(campaign.run(Limits(experiments=5)))
        yield Done(campaign, night, experiments)


def test_a_better_edit_is_kept(done: Done) -> None:
    first = done.experiments[1]
    assert (first.verdict, first.proposal.idea) == (Verdict.KEEP, "More steps")
    assert "STEPS = 12" in done.campaign.history.source(1)


def test_a_probe_shows_what_the_draft_did(done: Done) -> None:
    told = said([body for body in done.night.bodies if scripted.experiment_of(body) == 1][-1])
    assert "the probe ran to its end, and handed a model over, which was not scored" in told
    assert "11 steps" in told
    assert "step times: " in told
    assert "by torch.profiler (" in told
    assert "aten::" in told
    assert "printed:\n| [cell model]\n| wide: 8\n| [cell train]\n| hello from the draft" in told
    assert "1 of 2 probes left" in told
    [probe] = done.experiments[1].probes
    assert (probe.steps, probe.score, probe.failure) == (11, None, None)


def test_what_is_kept_is_profiled_once_for_each_structure(done: Done) -> None:
    kept = [one for one in done.experiments if one.kept]
    structures = [one.structure for one in kept]
    profiled = [one.profiled is not None for one in kept]
    assert profiled == [structures.index(one) == at for at, one in enumerate(structures)]


def test_what_conflicts_with_the_new_best_is_carried_over(done: Done) -> None:
    about_two = [body for body in done.night.bodies if scripted.experiment_of(body) == 2]
    assert "into the notebook of experiment 0, and" in said(about_two[0])
    assert "experiment 1 became the best" in said(about_two[-1])
    assert "+STEPS = 2" in said(about_two[-1])
    assert done.experiments[2].proposal.parent == 1


def test_code_that_was_tried_is_refused_with_its_outcome(done: Done) -> None:
    assert "experiment 0 was exactly this code: keep (baseline)" in "".join(
        said(body) for body in done.night.bodies
    )
    assert done.experiments[2].proposal.constants == {"STEPS": 2}


def test_what_was_prepared_while_a_discard_ran_is_taken_as_it_is(done: Done) -> None:
    about_four = [body for body in done.night.bodies if scripted.experiment_of(body) == 4]
    openings = [body for body in about_four if scripted.turn_of(body) == 0]
    assert len(openings) == 1
    assert "running now, outcome not known: experiment 3" in said(openings[0])


def test_a_bug_is_mended_within_its_experiment(done: Done) -> None:
    third = done.experiments[3]
    assert third.score is not None
    [attempt] = third.proposal.attempts
    assert attempt.run.failure is Reason.ERROR
    assert attempt.traceback.startswith("cell 'train', line ")
    assert "cell 'model', line" in attempt.traceback
    assert "no_such_method" in attempt.traceback.splitlines()[-1]
    assert "tanh" in done.campaign.history.source(3)


def test_the_traceback_reaches_the_model_as_a_quotation(done: Done) -> None:
    [repair] = [body for body in done.night.bodies if scripted.is_repair(body)]
    assert "| AttributeError: 'Tensor' object has no attribute 'no_such_method'" in said(repair)


def test_what_the_last_run_printed_reaches_the_model_as_a_quotation(done: Done) -> None:
    asked = [body for body in done.night.bodies if scripted.experiment_of(body) == 3]
    assert "printed:\n| [cell model]\n| wide: 8\n" in said(asked[0])
    assert "training loss, nats a token, smoothed: " in said(asked[0])


def test_an_idea_that_is_given_up_is_recorded_and_not_run(done: Done) -> None:
    fourth = done.experiments[4]
    assert (fourth.verdict, fourth.reason) == (Verdict.CRASH, Reason.INVALID_EDIT)
    assert "3 submits failed: cell 'model', line 4: no cell defines 'wdith'" in fourth.detail
    assert fourth.runs == ()


def test_the_campaign_goes_on_after_it(done: Done) -> None:
    assert done.experiments[5].proposal.idea == "Learn [/faster]"


def test_each_experiment_knows_what_it_took(done: Done) -> None:
    assert [one.usage.requests for one in done.experiments] == [0, 2, 6, 2, 4, 1]
    assert done.experiments[1].usage.tokens_in == 2000


def test_each_experiment_knows_its_directive_guidance_and_model(done: Done) -> None:
    proposal = done.experiments[1].proposal
    assert (proposal.guidance, proposal.model) == ("wider, not deeper", "scripted")
    assert len(proposal.directive) == 12


def test_the_branch_is_the_series_of_keeps(done: Done) -> None:
    kept = [one.proposal.idea for one in done.experiments if one.kept]
    log = tiny.git(done.campaign.root, "log", "--format=%s", "autoresearch/night")
    assert log.splitlines() == [*reversed(kept), "begin"]


def test_the_key_is_nowhere(done: Done) -> None:
    root = done.campaign.root
    files = [path for path in root.rglob("*") if path.is_file()]
    assert not [path for path in files if scripted.KEY.encode() in path.read_bytes()]
    argv = ["git", "cat-file", "--batch-all-objects", "--batch"]
    objects = subprocess.run(argv, cwd=root, stdout=subprocess.PIPE, check=True).stdout
    assert scripted.KEY.encode() not in objects


def test_history_status_and_show_tell_what_it_took(
    done: Done, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(done.campaign.root)
    assert "(2,200 tokens)" in command(capsys, "history", "night")
    assert "Learn [/faster]" in command(capsys, "history", "night")
    assert "15 requests, 15,000 tokens in, 1,500 out" in command(capsys, "status", "night")
    assert "tokens an improvement" in command(capsys, "status", "night")
    shown = command(capsys, "show", "night", "3")
    assert "mended      error: AttributeError" in shown
    assert "guidance    wider, not deeper" in shown


def test_a_transcript_can_be_read_out(
    done: Done, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(done.campaign.root)
    shown = command(capsys, "show", "night", "1", "--transcript")
    assert "set_constants" in shown
    assert "+STEPS = 12" in shown


def test_guidance_is_replaced_and_shown(
    done: Done, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(done.campaign.root)
    assert command(capsys, "guide", "night", "try [bold]less[/]") == "try [bold]less[/]\n"
    assert command(capsys, "guide", "night") == "try [bold]less[/]\n"
    assert "nothing is said" in command(capsys, "guide", "night", "")


def test_the_prompt_can_be_read_before_it_is_sent(
    done: Done, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(done.campaign.root)
    shown = command(capsys, "prompt", "night")
    assert "Make it predict better, in fewer lines." in shown
    assert "Propose experiment 6" in shown


def command(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """What `autoresearch ARGV` prints."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["autoresearch", *argv])
        with pytest.raises(SystemExit) as exit_info:
            cli.main()
    assert not exit_info.value.code
    return capsys.readouterr().out
