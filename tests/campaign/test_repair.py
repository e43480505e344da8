"""A crash on a bug is mended once, is paid for, and the record has the idea as mended."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.execution import launch
from autoresearch_kit.records import Limits, Reason, Run, RunSpec, Verdict
from autoresearch_kit.reports import tables
from autoresearch_kit.reports.summary import summarise
from autoresearch_kit.ui import cli
from tests.campaign import quick, scripted, tiny
from tests.campaign.scripted import edit, submit
from tests.researchers.llm.server import Answer, Body, ChatServer, calls, said, text

BUG = edit("model", "self.head(self.embed(tokens))", "self.head(self.embed(tokens).bug())")
MENDED = edit("model", ".bug()", ".relu()")
OTHER_BUG = edit("model", ".bug()", ".bug().bug()")


def crashing(spec: RunSpec, waiting: None = None, **more: object) -> Run:
    """A made-up run, which crashes after 2 s of training if its code has the bug."""
    run = quick.made_up_run(spec)
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


class Script:
    """Answers with a bug, and then with `mend`."""

    mend = MENDED

    def __call__(self, body: Body) -> Answer:
        if "Answer with one word" in said(body):
            return text("ready")
        if scripted.is_repair(body):
            return calls(self.mend, submit("Rectify the embedding", "architecture"))
        return calls(BUG, submit("Square the embedding", "other"))


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def night(project: Path, script: Script, monkeypatch: pytest.MonkeyPatch) -> Iterator[Campaign]:
    settings = replace(quick.SETTINGS, researcher="llm")
    quick.make_up(monkeypatch)
    monkeypatch.setattr(launch, "execute", crashing)
    with ChatServer(script) as server:
        yield Campaign("night", settings, root=project, model=scripted.model(server))


def test_the_record_has_the_idea_as_mended(night: Campaign) -> None:
    _, one = night.run(Limits(experiments=1))
    proposal = one.proposal
    assert (proposal.idea, proposal.category) == ("Rectify the embedding", "architecture")
    assert proposal.hypothesis == "Rectify the embedding helps"
    [attempt] = proposal.attempts
    assert (attempt.idea, attempt.hypothesis) == (
        "Square the embedding",
        "Square the embedding helps",
    )


def test_a_second_crash_is_the_end_of_the_idea(night: Campaign, script: Script) -> None:
    script.mend = OTHER_BUG
    _, one = night.run(Limits(experiments=1))
    assert (one.verdict, one.reason) == (Verdict.CRASH, Reason.ERROR)
    assert len(one.proposal.attempts) == 1
    assert len(one.runs) == 1


def test_the_seconds_of_a_mended_crash_count(night: Campaign) -> None:
    _, one = night.run(Limits(experiments=1))
    row = tables.to_frame(night.history.entries()).iloc[1]
    assert (row["train_seconds"], row["wall_seconds"]) == (1.0 + 2.0, 1.1 + 5.0)
    assert summarise("night", [one]).spent.parts["mended crashes"] == 5.0
    assert summarise("night", [one]).spent.parts["training"] == 1.0
    assert "Train-seconds: 3.0" in tiny.git(night.root, "log", "-1", "--format=%b", ref(1))


def test_they_count_where_the_mended_edit_was_never_run(night: Campaign, script: Script) -> None:
    _, one = night.run(Limits(experiments=1))
    entry = replace(night.history.entries()[1], experiment=replace(one, runs=()))
    assert tables.to_frame([entry]).iloc[0]["wall_seconds"] == 5.0


def test_show_has_the_seconds_and_the_old_words_of_a_mended_crash(
    night: Campaign, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    list(night.run(Limits(experiments=1)))
    monkeypatch.setattr(sys, "argv", ["autoresearch", "show", "night", "1"])
    with pytest.raises(SystemExit):
        cli.main()
    shown = " ".join(capsys.readouterr().out.split())
    assert "mended error: AttributeError: no bug (2.0 s of training in 5.0 s), as" in shown
    assert "'Square the embedding'" in shown


def ref(number: int) -> str:
    return f"refs/autoresearch/night/{number:04d}"
