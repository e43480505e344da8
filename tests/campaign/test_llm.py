"""A campaign of a language model: the real client, loop, git and commands; its runs are made up."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.execution import launch
from autoresearch_kit.records import Experiment, Limits, Reason, Run, RunSpec, Verdict
from autoresearch_kit.reports import tables
from autoresearch_kit.reports.summary import summarise
from autoresearch_kit.ui import cli
from tests.campaign import made_up_runs, scripted, tiny
from tests.campaign.scripted import constants, edit, submit
from tests.researchers.llm.server import Answer, Body, ChatServer, calls, said, text

BUG = edit("model", "self.head(self.embed(tokens))", "self.head(self.embed(tokens).bug())")
TURNS = {
    1: [calls(constants(WIDTH=11), submit("Wider", "constants"))],
    2: [
        calls(constants(WIDTH=8)),
        calls(submit("Back to a width of 8")),
        calls(constants(WIDTH=9), submit("A little wider")),
    ],
    3: [calls(BUG, submit("Square the embedding", "other"))],
    4: [
        calls(edit("model", "Embedding(vocab, width)", "Embedding(vocab, wdith)")),
        *[calls(submit("A slip"))] * 3,
    ],
    5: [calls(BUG, submit("Cube the embedding"))],
    6: [calls(constants(RATE=0.09), submit("Learn [/faster]"))],
}
MENDED = {3: edit("model", ".bug()", ".relu()"), 5: edit("model", ".bug()", ".bug().bug()")}


def crashing(spec: RunSpec, waiting: None = None, **more: object) -> Run:
    """Return a made-up run, which crashes after 2 s of training if its code has the bug."""
    run = made_up_runs.made_up_run(spec)
    if ".bug()" not in spec.notebook.read_text():
        return run
    return replace(
        run,
        score=None,
        failure=Reason.ERROR,
        detail="AttributeError: no bug",
        train_seconds=2.0,
        wall_seconds=5.0,
        parts={},
    )


@dataclass
class Night:
    """A campaign of six experiments after the baseline, and the requests that came."""

    root: Path
    bodies: list[Body] = field(default_factory=list)
    experiments: list[Experiment] = field(default_factory=list)

    def answer(self, body: Body) -> Answer:
        if "Answer with one word" in said(body):
            return text("ready")
        self.bodies.append(body)
        number = scripted.experiment_of(body)
        if scripted.is_repair(body):
            return calls(MENDED[number], submit("Rectify the embedding", "architecture"))
        return TURNS[number][min(scripted.turn_of(body), len(TURNS[number]) - 1)]

    def asked(self, number: int) -> list[Body]:
        return [body for body in self.bodies if scripted.experiment_of(body) == number]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    made = Night(tiny.make_project(tmp_path_factory.mktemp("llm") / "project"))
    settings = replace(made_up_runs.SETTINGS, researcher="llm")
    with pytest.MonkeyPatch.context() as patch, ChatServer(made.answer) as server:
        made_up_runs.make_up(patch)
        patch.setattr(launch, "execute", crashing)
        campaign = Campaign("night", settings, root=made.root, model=scripted.model(server))
        campaign.workspace.create()
        campaign.workspace.write_guidance("wider, not deeper")
        made.experiments += campaign.run(Limits(experiments=6))
    return made


Command = Callable[..., str]


@pytest.fixture
def command(
    night: Night, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Return a function that runs `autoresearch ARGV` and returns the words it prints."""

    def run(*argv: str) -> str:
        monkeypatch.chdir(night.root)
        monkeypatch.setattr(sys, "argv", ["autoresearch", *argv])
        with pytest.raises(SystemExit) as exit_info:
            cli.main()
        assert not exit_info.value.code
        return " ".join(capsys.readouterr().out.split())

    return run


def test_a_better_edit_is_kept_with_what_it_was_told(night: Night) -> None:
    first = night.experiments[1]
    assert (first.verdict, first.proposal.idea) == (Verdict.KEEP, "Wider")
    assert (first.proposal.guidance, first.proposal.model) == ("wider, not deeper", "scripted")
    assert "WIDTH = 11" in Campaign("night", root=night.root).history.source(1)


def test_an_idea_that_conflicts_is_carried_over(night: Night) -> None:
    asked = night.asked(2)
    assert "into the notebook of experiment 0, and" in said(asked[0])
    assert "experiment 1 became the best" in said(asked[-1])
    assert "experiment 0 was exactly this code: keep (baseline)" in said(asked[-1])
    proposal = night.experiments[2].proposal
    assert (proposal.parent, proposal.constants) == (1, {"WIDTH": 9})


def test_what_was_prepared_during_a_discard_is_taken(night: Night) -> None:
    openings = [body for body in night.asked(4) if scripted.turn_of(body) == 0]
    assert len(openings) == 1
    assert "running now: experiment 3, from 1" in said(openings[0])


def test_a_mended_crash_is_recorded_with_both_ideas(night: Night) -> None:
    proposal = night.experiments[3].proposal
    assert (proposal.idea, proposal.category) == ("Rectify the embedding", "architecture")
    assert proposal.hypothesis == "Rectify the embedding helps"
    [attempt] = proposal.attempts
    assert (attempt.idea, attempt.hypothesis) == (
        "Square the embedding",
        "Square the embedding helps",
    )


def test_a_second_crash_is_the_end_of_the_idea(night: Night) -> None:
    fifth = night.experiments[5]
    assert (fifth.verdict, fifth.reason) == (Verdict.CRASH, Reason.ERROR)
    assert (len(fifth.proposal.attempts), len(fifth.runs)) == (1, 1)


def test_the_seconds_of_a_mended_crash_count(night: Night) -> None:
    history, third = Campaign("night", root=night.root).history, night.experiments[3]
    row = tables.to_frame(history.entries()).iloc[3]
    assert (row["train_seconds"], row["wall_seconds"]) == (1.0 + 2.0, 1.1 + 5.0)
    parts = summarise("night", [third]).spent.parts
    assert (parts["mended crashes"], parts["training"]) == (5.0, 1.0)
    ref = "refs/autoresearch/night/0003"
    assert "Train-seconds: 3.0" in tiny.git(night.root, "log", "-1", "--format=%b", ref)
    never_run = replace(history.entries()[3], experiment=replace(third, runs=()))
    assert tables.to_frame([never_run]).iloc[0]["wall_seconds"] == 5.0


def test_a_given_up_idea_is_recorded_and_not_run(night: Night) -> None:
    fourth = night.experiments[4]
    assert (fourth.verdict, fourth.reason) == (Verdict.CRASH, Reason.INVALID_EDIT)
    assert "3 submits failed: cell 'model', line 4: no cell defines 'wdith'" in fourth.detail
    assert fourth.runs == ()
    assert night.experiments[6].proposal.idea == "Learn [/faster]"


def test_each_experiment_knows_what_it_took(night: Night) -> None:
    assert [each.usage.requests for each in night.experiments] == [0, 1, 6, 2, 4, 2, 1]
    assert night.experiments[2].usage.tokens_in == 6000


def test_the_branch_is_the_series_of_keeps(night: Night) -> None:
    kept = [each.proposal.idea for each in night.experiments if each.kept]
    log = tiny.git(night.root, "log", "--format=%s", "autoresearch/night")
    assert log.splitlines() == [*reversed(kept), "begin"]


def test_the_key_is_in_no_file_and_no_git_object(night: Night) -> None:
    files = [path for path in night.root.rglob("*") if path.is_file()]
    assert not [path for path in files if scripted.KEY.encode() in path.read_bytes()]
    argv = ["git", "cat-file", "--batch-all-objects", "--batch"]
    objects = subprocess.run(argv, cwd=night.root, stdout=subprocess.PIPE, check=True).stdout
    assert scripted.KEY.encode() not in objects


def test_history_status_and_show_tell_what_it_took(command: Command) -> None:
    assert "Learn [/faster]" in command("history", "night")
    status = command("status", "night")
    assert "16 requests, 16,000 tokens in, 1,600 out" in status
    assert "tokens an improvement" in status
    shown = command("show", "night", "3")
    assert "guidance wider, not deeper" in shown
    assert "mended error: AttributeError: no bug (2.0 s of training in 5.0 s), as" in shown
    assert "'Square the embedding'" in shown


def test_a_transcript_can_be_read_out(command: Command) -> None:
    shown = command("show", "night", "1", "--transcript")
    assert "set_constants" in shown
    assert "Wider" in shown


def test_guidance_is_replaced_and_shown(command: Command) -> None:
    assert command("guide", "night", "try [bold]less[/]") == "try [bold]less[/]"
    assert command("guide", "night") == "try [bold]less[/]"
    assert "has no guidance" in command("guide", "night", "")
