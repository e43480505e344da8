"""The commands new and check, and a campaign on a new task."""

import sys
from pathlib import Path

import pytest

from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.ui import cli
from tests.tasks.measured.folders import scaffolded

Captured = pytest.CaptureFixture[str]


def autoresearch(monkeypatch: pytest.MonkeyPatch, *argv: str) -> object:
    """Run `autoresearch ARGV`; return its exit status, or its error."""
    monkeypatch.setattr(sys, "argv", ["autoresearch", *argv])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code


def test_a_new_task_says_what_to_fill_in(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    assert autoresearch(monkeypatch, "new", "tasks/toy") == "error: no folder tasks; make it first"
    assert not autoresearch(monkeypatch, "new", "toy")
    said = capsys.readouterr().out
    for name in ("task.toml", "train.ipynb", "measure.ipynb", "data", "hidden", "program.md"):
        assert (project / "toy" / name).exists()
        assert f"  {name} " in said
    assert "autoresearch run TAG --task toy" in said
    assert not autoresearch(monkeypatch, "check", "toy")
    assert "toy has all that a campaign needs" in capsys.readouterr().out


def test_check_says_all_that_is_wrong(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    folder = scaffolded(project)
    (folder / "train.ipynb").unlink()
    (folder / "task.toml").write_text("trusted = 1")
    assert autoresearch(monkeypatch, "check", "toy") == "error: toy can't be run yet: 3 to mend"
    said = capsys.readouterr().out.splitlines()
    assert [line[:2] for line in said] == ["- "] * 3


def test_check_warns_of_a_path_that_hides_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    told = scaffolded(project) / "task.toml"
    told.write_text(told.read_text().replace("hides = []", 'hides = ["numpy/randm"]'))
    assert not autoresearch(monkeypatch, "check", "toy")
    assert "warning: toy hides numpy/randm, which no" in capsys.readouterr().out


def test_check_refuses_to_hide_what_every_run_needs(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    told = scaffolded(project) / "task.toml"
    told.write_text(told.read_text().replace("hides = []", 'hides = ["/usr"]'))
    assert autoresearch(monkeypatch, "check", "toy") == "error: toy can't be run yet: 1 to mend"
    assert capsys.readouterr().out.startswith("- toy/task.toml hides /usr, in which every run sees")


@pytest.mark.slow
def test_a_new_task_runs_at_once(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    options = ["--train-seconds", "1", "--rule", "greedy", "--seeds", "1", "--max-elsewhere", "1"]
    assert not autoresearch(monkeypatch, "new", "toy")
    command = ["run", "night", "--task", "toy", "--max-experiments", "1", *options]
    assert not autoresearch(monkeypatch, *command)
    assert "campaign 'night': done" in capsys.readouterr().out
    assert "keep (baseline)" in Workspace(project, "night").log.read_text()
    experiments = History(project, "night").experiments()
    assert [each.runs[0].score is not None for each in experiments] == [True, True]
    assert all("rmse" in each.runs[0].score.values for each in experiments if each.runs[0].score)
