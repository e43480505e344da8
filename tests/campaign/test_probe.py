"""Probes of drafts, and profiles of keeps, in a campaign whose runs are made up."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.campaign.probing import Probing
from autoresearch_kit.execution import launch
from autoresearch_kit.records import (
    Experiment,
    Limits,
)
from autoresearch_kit.reports import tables
from autoresearch_kit.reports.summary import summarise
from autoresearch_kit.ui import cli
from tests.campaign import made_up_runs, scripted, tiny
from tests.campaign.probes import STEPS, Patch, Sandbox, answer, campaign_in, chat, night, sandbox
from tests.researchers.llm.server import Body, ChatServer, said

__all__ = ["chat", "night", "sandbox"]


@dataclass(frozen=True)
class Done:
    """A campaign of two ideas, both probed and kept."""

    night: Campaign
    experiments: list[Experiment]
    chat: ChatServer
    sandbox: Sandbox


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    root, sandbox = tiny.make_project(tmp_path_factory.mktemp("probes") / "project"), Sandbox()
    with Patch.context() as patch, ChatServer(answer) as chat:
        night = campaign_in(root, chat, sandbox, patch)
        return Done(night, list(night.run(Limits(experiments=2))), chat, sandbox)


def about(chat: ChatServer, number: int) -> list[Body]:
    asked = [body for body in chat.bodies if "Answer with one word" not in said(body)]
    return [body for body in asked if scripted.experiment_of(body) == number]


def test_a_keep_is_profiled_once_for_each_structure(done: Done) -> None:
    assert [one.kept for one in done.experiments] == [True, True, True]
    assert [one.profiled is not None for one in done.experiments] == [True, False, True]
    assert done.experiments[2].profiled is not None
    assert done.experiments[2].profiled.steps == STEPS
    assert "aten::mm" in said(about(done.chat, 1)[0])
    assert [spec.train_seconds for spec in done.sandbox.specs] == [10.0, 30.0, 30.0, 10.0]
    assert {(spec.profiled, spec.waits) for spec in done.sandbox.specs} == {(True, False)}
    assert done.night.history.experiments() == done.experiments


def test_probes_leave_nothing_and_share_no_seed(done: Done) -> None:
    assert list(done.night.workspace.probe_runs.iterdir()) == []
    assert list(done.night.workspace.runs.iterdir()) == []
    runs = [run.seed for one in done.experiments for run in one.runs]
    assert not {spec.seed for spec in done.sandbox.specs} & set(runs)


def test_a_probe_waits_while_a_run_is_measured(
    night: Campaign, sandbox: Sandbox, monkeypatch: Patch
) -> None:
    really = Probing._obey

    def obey(self: Probing) -> None:
        really(self)
        sandbox.polled()

    monkeypatch.setattr(Probing, "_obey", obey)
    sandbox.outlasts = "0001"
    list(night.run(Limits(experiments=2)))
    second = sandbox.seen.index("run 0001 begins")
    assert sandbox.seen[second:] == [
        "run 0001 begins",
        "run 0001 ends",
        "probe 0002-1 begins",
        "probe 0002-1 ends",
        "run 0002 begins",
        "run 0002 ends",
        "probe 0002-1 begins",  # the profile of what is kept
        "probe 0002-1 ends",
    ]


def test_probes_and_profiles_are_counted_and_shown(
    done: Done, monkeypatch: Patch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(done.night.root)
    assert [len(one.probes) for one in done.experiments] == [0, 1, 1]
    summary = summarise("night", done.experiments)
    assert summary.spent.parts["probes"] == 16.0
    assert summary.spent.parts["profiles"] == 16.0
    frame = tables.to_frame(done.night.history.entries())
    assert frame["unscored_seconds"].tolist() == [8.0, 8.0, 16.0]
    assert frame["wall_seconds"].tolist() == [1.1, 1.1, 1.1]
    assert [row.seconds for row in summary.table] == [9.1, 9.1, 17.1]
    shown = command(capsys, monkeypatch, "show", "night", "2")
    assert "probes 3.0 s of training in 8.0 s, 9 steps, 90 tokens" in shown
    assert "profile 2 ms typically" in shown
    assert "aten::mm 50%" in shown
    assert "probes " in command(capsys, monkeypatch, "status", "night")


def test_probes_and_profiles_count_for_the_device_that_made_them(done: Done) -> None:
    assert {name for row in summarise("night", done.experiments).table for name in row.by_slot} == {
        run.slot for one in done.experiments for run in one.runs
    }


def command(capsys: pytest.CaptureFixture[str], monkeypatch: Patch, *argv: str) -> str:
    """Run `autoresearch ARGV` and return the words it prints."""
    monkeypatch.setattr(sys, "argv", ["autoresearch", *argv])
    with pytest.raises(SystemExit):
        cli.main()
    return " ".join(capsys.readouterr().out.split())


def test_a_failed_profile_or_probe_costs_nothing(
    night: Campaign, chat: ChatServer, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.trouble = OSError(28, "No space left on device")
    experiments = list(night.run(Limits(experiments=1)))
    assert [one.kept for one in experiments] == [True, True]
    assert [one.profiled for one in experiments] == [None, None]
    assert caplog.text.count("no profile of its steps: ") == 2
    assert "the probe could not be made: " in said(about(chat, 1)[-1])


def test_without_a_language_model_nothing_is_profiled(
    project: Path, sandbox: Sandbox, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(launch, "execute_unscored", sandbox.unscored)
    assert [one.profiled for one in made_up_runs.run(project, 1)] == [None, None]
    assert sandbox.seen == []
