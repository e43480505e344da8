"""A user's mistake is one clear line, exit status 1, and loses nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.text import Text

from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.errors import InputError
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.ui import cli
from tests.campaign import tiny


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
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
def test_a_bad_tag_is_refused(project: Path, capsys: pytest.CaptureFixture[str], tag: str) -> None:
    assert "tag" in refused(capsys, "run", tag)


def test_a_tag_like_an_option_is_refused(project: Path) -> None:
    argv = [sys.executable, "-c", "from autoresearch_kit.ui import cli; cli.main()", "run", "--all"]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 2
    assert "--all" in Text.from_ansi(done.stderr).plain  # where colours are asked for


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("run", "night", "--train-seconds", "0"), "--train-seconds is 0"),
        (("run", "night", "--hours", "0"), "--hours is 0"),
        (("run", "night", "--seeds", "0"), "--seeds is 0"),
        (("run", "night", "--max-elsewhere", "30"), "--max-elsewhere is 30; it is a share"),
        (("run", "night", "--max-experiments", "0"), "--max-experiments is 0"),
        (("run", "night", "--profile", "abacus"), "abacus"),
        (("run", "night", "--researcher", "oracle"), "oracle"),
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
        (("restore", "nowhere"), "no folder"),
        (("restore", "."), "no copy of any campaign"),
        (("errands", "night"), "no campaign 'night'"),
        (("run", "night", "--copy-to", "nowhere"), "no folder"),
        (("run", "night", "--webhook", "hooks.slack.com"), "--webhook must be"),
        (("stop", "night"), "no campaign 'night'"),
        (("pause", "night"), "no campaign 'night'"),
        (("resume", "night"), "no campaign 'night'"),
    ],
)
def test_a_mistake_is_one_clear_line(
    project: Path, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], words: str
) -> None:
    assert words in refused(capsys, *argv)


@pytest.fixture
def no_bubblewrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let bubblewrap fail, as on a machine without user namespaces."""
    script = tmp_path / "bwrap"
    script.write_text(
        "#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    bubblewrap.why_not.cache_clear()
    yield
    bubblewrap.why_not.cache_clear()


@pytest.mark.usefixtures("no_bubblewrap")
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is another way out")
def test_a_required_sandbox_that_fails_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, "run", "night", "--sandbox", "require")
    assert "does not work here: bwrap: setting up uid map: Permission denied" in said
    assert "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0" in said
    assert not (project / ".autoresearch").exists()


def test_an_unknown_corpus_is_refused(project: Path) -> None:
    argv = [sys.executable, "-c", "from autoresearch_kit.ui import cli; cli.main()"]
    done = subprocess.run([*argv, "prepare", "nowhere"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_repository_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "git init" in refused(capsys, "run", "night")


def test_a_missing_git_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(project))
    assert "git" in refused(capsys, "run", "night")


def test_a_missing_notebook_is_refused(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "notebooks" / "train.ipynb").unlink()
    assert "no notebooks/train.ipynb" in refused(capsys, "run", "night")


def test_a_notebook_without_a_needed_cell_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tiny.notebook_text().replace('"name": "submit"', '"name": "handover"')
    (project / "notebooks" / "train.ipynb").write_text(text)
    assert "submit" in refused(capsys, "run", "night")


def test_a_notebook_that_is_not_json_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "notebooks" / "train.ipynb").write_text("not json")
    assert "train.ipynb" in refused(capsys, "run", "night")


def test_a_branch_in_the_way(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny.git(project, "branch", "autoresearch")
    assert "git branch -m autoresearch" in refused(capsys, "run", "night")


def test_a_branch_checked_out_elsewhere(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.git(project, "worktree", "add", "-q", "-b", "autoresearch/night", str(tmp_path / "other"))
    assert str(tmp_path / "other") in refused(capsys, "run", "night")


def test_a_file_in_place_of_the_folder_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / ".autoresearch").write_text("in the way")
    assert ".autoresearch" in refused(capsys, "run", "night")


UNUSABLE = ["new\nline", "line\u2028separator", os.fsdecode(b"not-utf-8-\xff")]


@pytest.mark.parametrize("name", UNUSABLE)
@pytest.mark.parametrize(
    "argv", [("status",), ("run", "night"), ("confirm", "night"), ("lab",), ("demo",)]
)
def test_an_unusable_project_path_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, argv: tuple[str, ...]
) -> None:
    root = tiny.make_project(tmp_path / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        assert "must be UTF-8, on one line" in refused(capsys, *argv)
    assert not (root / ".autoresearch").exists()


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_campaign_in_python_refuses_that_path(tmp_path: Path, name: str) -> None:
    root = tiny.make_project(tmp_path / name)
    with pytest.raises(InputError, match=r"the project.s folder is .* must be UTF-8, on one line"):
        Campaign("night", root=root)


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_data_folder_is_refused(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTORESEARCH_DATA", str(tmp_path / name))
        assert "must be UTF-8, on one line" in refused(capsys, "prepare", "stdlib")


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_corpus_or_copy_folder_is_refused(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Test that both are refused before the campaign exists."""
    text, copies = tmp_path / f"{name}.txt", tmp_path / name
    text.write_text("text")
    copies.mkdir()
    for argv in (("prepare", str(text)), ("run", "night", "--dataset", str(text))):
        assert "the corpus is" in refused(capsys, *argv)
    assert "the folder for copies is" in refused(capsys, "run", "night", "--copy-to", str(copies))
    assert not (project / ".autoresearch").exists()


def test_make_demo_prepares_the_corpus_once() -> None:
    """Test that only `demo` prepares it."""
    argv = ["make", "--dry-run", "--old-file=.venv/installed", "demo"]
    checkout = Path(__file__).parents[3]
    done = subprocess.run(argv, cwd=checkout, capture_output=True, text=True, check=True)
    commands = [line for line in done.stdout.splitlines() if "/autoresearch " in line]
    assert [command.split()[-1] for command in commands] == ["demo"]
