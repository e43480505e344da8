"""A user's mistake is one clear line, exit status 1, and loses nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.text import Text
from typer.testing import CliRunner

from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.campaign.heartbeat import starting
from autoresearch_kit.errors import InputError
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Limits
from autoresearch_kit.ui import cli
from autoresearch_kit.ui.cli.app import app
from tests.campaign import tiny

Captured = pytest.CaptureFixture[str]


def refused(capsys: Captured, *argv: str) -> str:
    """Return the error line of `autoresearch ARGV`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["autoresearch", *argv])
        with pytest.raises(SystemExit) as exit_info:
            cli.main()
    said = str(exit_info.value.code)
    assert said.startswith("error: ")
    assert "\n" not in said
    assert "Traceback" not in capsys.readouterr().err
    return said


@pytest.mark.parametrize("tag", ["../x", "a/b", ".hidden", "a..b", "x.lock", "a b", ""])
def test_a_bad_tag_is_refused(project: Path, capsys: Captured, tag: str) -> None:
    assert "tag" in refused(capsys, "run", tag)


def test_a_tag_like_an_option_is_refused() -> None:
    done = CliRunner().invoke(app, ["run", "--all"])
    assert done.exit_code == 2
    assert "--all" in Text.from_ansi(done.output).plain  # where colours are asked for


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("run", "night", "--train-seconds", "0"), "--train-seconds is 0"),
        (("run", "night", "--hours", "0"), "--hours is 0"),
        (("run", "night", "--seeds", "0"), "--seeds is 0"),
        (("run", "night", "--max-elsewhere", "30"), "--max-elsewhere is 30; it must be a share"),
        (("run", "night", "--max-experiments", "0"), "--max-experiments is 0"),
        (("run", "night", "--profile", "abacus"), "abacus"),
        (("run", "night", "--researcher", "oracle"), "oracle"),
        (("run", "night", "--task", "gone"), "no task.toml in gone"),
        (("run", "night", "--task", "/tmp"), "it must be a folder in the project"),
        (("check", "gone"), "gone can't be run yet: 1 to mend"),
        (("new", "notebooks"), "notebooks is there already"),
        (("new", "../toy"), "it must be a folder in the project"),
        (("new", "a task"), "'a task' can't be a task's name"),
        (("history", "night"), "no campaign 'night'"),
        (("show", "night", "1"), "no campaign 'night'"),
        (("open", "night", "1"), "no campaign 'night'"),
        (("plot", "night"), "no campaign 'night'"),
        (("report", "night"), "no campaign 'night'"),
        (("report", "none.tsv"), "none.tsv: No such file or directory"),
        (("status", "night"), "no campaign 'night'"),
        (("push", "night"), "no campaign 'night'"),
        (("bundle", "night"), "no campaign 'night'"),
        (("delete", "night", "--yes"), "no campaign 'night'"),
        (("adopt",), "name a campaign"),
        (("adopt", "night", "--from", "x.ipynb"), "name a campaign"),
        (("adopt", "night"), "no campaign 'night'"),
        (("fetch", "--remote", "night.bundle"), "no file, folder or remote 'night.bundle'"),
        (("adopt", "--from", "x.ipynb"), "no notebook at x.ipynb"),
        (("adopt", "night", "--task", "x"), "--task is for a notebook of your own"),
        (("adopt", "--from", "x.ipynb", "--task", "x"), "no task.toml in x"),
        (("adopt", "--from", "x.ipynb", "--task", ".."), ".. is not in the project"),
        (("restore", "nowhere"), "no folder"),
        (("restore", "."), "no copy of any campaign"),
        (("backup", "night"), "no campaign 'night'"),
        (("backup", "night", "--copy-to", "nowhere"), "no campaign 'night'"),
        (("notify", "night"), "no campaign 'night'"),
        (("run", "night", "--copy-to", "nowhere"), "no folder"),
        (("run", "night", "--webhook", "hooks.slack.com"), "--webhook must be"),
        (("stop", "night"), "no campaign 'night'"),
        (("pause", "night"), "no campaign 'night'"),
        (("resume", "night"), "no campaign 'night'"),
    ],
)
def test_a_mistake_is_one_clear_line(
    project: Path, capsys: Captured, argv: tuple[str, ...], words: str
) -> None:
    assert words in refused(capsys, *argv)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is another way out")
def test_a_required_sandbox_that_fails_is_refused(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """Test it as on a machine without user namespaces."""
    said = "bwrap: setting up uid map: Permission denied"
    script = tmp_path / "bwrap"
    script.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    bubblewrap.why_not.cache_clear()
    try:
        line = refused(capsys, "run", "night", "--sandbox", "require")
    finally:
        bubblewrap.why_not.cache_clear()
    assert f"does not work here: {said}" in line
    assert "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0" in line
    assert not (project / ".autoresearch").exists()


def test_an_unknown_corpus_is_refused(project: Path) -> None:
    """Test it in a process, since another one prepares the corpus and prints the error."""
    argv = [sys.executable, "-c", "from autoresearch_kit.ui import cli; cli.main()"]
    done = subprocess.run([*argv, "prepare", "nowhere"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_repository_or_git_is_refused(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(project))
        assert "git" in refused(capsys, "run", "night")
    monkeypatch.chdir(tmp_path)
    assert "git init" in refused(capsys, "run", "night")


def test_an_unusable_notebook_is_refused(project: Path, capsys: Captured) -> None:
    path = project / "notebooks" / "train.ipynb"
    path.write_text(tiny.notebook_text().replace('"name": "submit"', '"name": "handover"'))
    assert "submit" in refused(capsys, "run", "night")
    path.write_text("not json")
    assert "train.ipynb" in refused(capsys, "run", "night")
    path.unlink()
    assert "no notebooks/train.ipynb" in refused(capsys, "run", "night")


def test_what_is_in_the_way_is_named(project: Path, tmp_path: Path, capsys: Captured) -> None:
    tiny.git(project, "branch", "autoresearch")
    assert "git branch -m autoresearch" in refused(capsys, "run", "night")
    tiny.git(project, "branch", "-D", "autoresearch")
    other = str(tmp_path / "other")
    tiny.git(project, "worktree", "add", "-q", "-b", "autoresearch/night", other)
    assert other in refused(capsys, "run", "night")
    (project / ".autoresearch").write_text("in the way")
    assert ".autoresearch" in refused(capsys, "run", "day")


UNUSABLE = ["new\nline", "line\u2028separator", os.fsdecode(b"not-utf-8-\xff")]


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_project_path_is_refused(tmp_path: Path, name: str, capsys: Captured) -> None:
    root = tiny.make_project(tmp_path / name)
    said = "must be UTF-8, on one line"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for argv in (("status",), ("run", "night"), ("confirm", "night"), ("lab",), ("demo",)):
            assert said in refused(capsys, *argv)
    with pytest.raises(InputError, match=rf"the project.s folder is .* {said}"):
        Campaign("night", root=root)
    assert not (root / ".autoresearch").exists()


@pytest.mark.parametrize("name", UNUSABLE[1:])
def test_unusable_paths_of_data_are_refused(
    project: Path, tmp_path: Path, capsys: Captured, name: str
) -> None:
    """Test that data home, corpus and copies are refused before the campaign exists."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTORESEARCH_DATA", str(tmp_path / name))
        assert "must be UTF-8, on one line" in refused(capsys, "prepare", "stdlib")
    text, copies = tmp_path / f"{name}.txt", tmp_path / name
    text.write_text("text")
    copies.mkdir()
    for argv in (("prepare", str(text)), ("run", "night", "--dataset", str(text))):
        assert "the corpus is" in refused(capsys, *argv)
    assert "the folder for copies is" in refused(capsys, "run", "night", "--copy-to", str(copies))
    assert not (project / ".autoresearch").exists()


def test_a_campaign_without_a_baseline_can_be_deleted(project: Path) -> None:
    workspace = Workspace(project, "night")
    workspace.create()
    workspace.write_state(starting("night", Limits()))
    done = CliRunner().invoke(app, ["delete", "night", "--yes"])
    assert done.output == "'night' is removed\n"
    assert not workspace.folder.exists()
