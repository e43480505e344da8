"""The user's repository is never harmed, and no experiment is ever lost."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from autoresearch_kit.errors import LedgerError
from autoresearch_kit.ledger import Entry, History, campaigns, find_root
from autoresearch_kit.ledger.repository import check_writable
from autoresearch_kit.machine.profiles import SMALL_NOTEBOOK
from autoresearch_kit.records import Experiment
from tests.ledger.ledger import add, git, init, project


def worth_keeping(root: Path) -> tuple[str, ...]:
    """Return everything that a user could lose: files, index, HEAD."""
    files = sorted(f"{p}: {p.read_bytes()!r}" for p in root.glob("[!.]*/**/*") if p.is_file())
    commands = [["status", "--porcelain"], ["diff"], ["diff", "--cached"], ["rev-parse", "HEAD"]]
    head = (root / ".git" / "HEAD").read_text()
    return (*files, head, *(git(root, *command) for command in commands))


def uncommitted(root: Path) -> None:
    (root / SMALL_NOTEBOOK).write_text("{changed}\n")
    (root / "untracked.txt").write_text("mine")


def staged(root: Path) -> None:
    (root / "README.md").write_text("# staged\n")
    git(root, "add", "README.md")
    (root / "README.md").write_text("# and changed again\n")


def detached(root: Path) -> None:
    git(root, "checkout", "-q", "--detach")


def merging(root: Path) -> None:
    git(root, "switch", "-q", "-c", "side")
    (root / "README.md").write_text("# side\n")
    git(root, "commit", "-q", "-a", "-m", "Side")
    git(root, "switch", "-q", "main")
    git(root, "merge", "-q", "--no-ff", "--no-commit", "side")


@pytest.mark.parametrize("state", [uncommitted, staged, detached, merging])
def test_the_users_work_is_neither_touched_nor_recorded(
    root: Path, history: History, state: Callable[[Path], None]
) -> None:
    state(root)
    before = worth_keeping(root)
    entry = add(history, 0)
    add(history, 1)
    history.repair()
    assert worth_keeping(root) == before
    assert len(history.entries()) == 2
    assert git(root, "show", f"{entry.code_commit}:README.md") == "# project\n"


def without_commits(folder: Path) -> Path:
    return init(folder)


def sha_256(folder: Path) -> Path:
    return project(folder, "--object-format=sha256")


@pytest.mark.parametrize("make", [project, without_commits, sha_256])
def test_any_repository_works_packed_or_not(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    history = History(make(tmp_path / "made"), "night")
    entries = [add(history, 0)]
    git(history.root, "gc", "-q")
    entries.append(add(history, 1))
    assert history.entries() == entries


def test_a_linked_worktree_works(root: Path, tmp_path: Path) -> None:
    git(root, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    there = History(find_root(tmp_path / "side" / "notebooks"), "night")
    entry = add(there, 0)
    assert there.root == tmp_path / "side"
    assert History(root, "night").entries() == [entry]
    there.check()


def test_hooks_and_signing_are_off(root: Path, history: History) -> None:
    git(root, "config", "commit.gpgSign", "true")
    git(root, "config", "gpg.program", "/bin/false")
    hook = root / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    entry = add(history, 0)
    assert git(root, "rev-parse", "autoresearch/night").strip() == entry.code_commit


def test_the_callers_git_variables_are_ignored(
    root: Path, history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = project(tmp_path / "other")
    with monkeypatch.context() as patch:
        patch.setenv("GIT_DIR", str(other / ".git"))
        patch.setenv("GIT_WORK_TREE", str(other))
        patch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
        patch.setenv("GIT_OBJECT_DIRECTORY", str(other / ".git" / "objects"))
        assert find_root(root) == root
        add(history, 0)
    assert campaigns(root) == ["night"]
    assert campaigns(other) == []
    assert len(history.entries()) == 1


@pytest.mark.parametrize(
    ("name", "email", "author"),
    [
        ("Ada", "ada@example.org", "Ada <ada@example.org>"),
        ("", "", "autoresearch <autoresearch@localhost>"),
        ("", "eve@example.org", "autoresearch <eve@example.org>"),
    ],
)
def test_commits_have_the_users_name_where_there_is_one(
    history: History,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    email: str,
    author: str,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    git(history.root, "config", "user.useConfigOnly", "true")
    git(history.root, "config", "user.name", name)
    git(history.root, "config", "user.email", email)
    commit = add(history, 0).code_commit
    shown = git(history.root, "log", "-1", "--format=%an <%ae>, %cn <%ce>", commit)
    assert shown.strip() == f"{author}, {author}"


def fail(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let git fail in `command` as it does on a full disk."""
    real = shutil.which("git")
    folder.mkdir()
    script = folder / "git"
    complaint = "echo 'fatal: unable to write: No space left on device' >&2; exit 128"
    script.write_text(
        f'#!/bin/sh\nfor word; do [ "$word" = {command} ] && {{ {complaint}; }}; done\n'
        f'exec {real} "$@"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


COMMANDS = ["read-tree", "hash-object", "update-index", "write-tree", "commit-tree", "update-ref"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_leaves_no_half_experiment(
    root: Path, history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    first = add(history, 0)
    with monkeypatch.context() as patch:
        fail(command, tmp_path / "bin", patch)
        with pytest.raises(LedgerError, match=rf"^git {command}: fatal: .*No space left on device"):
            add(history, 1)
    assert not list((root / ".git" / "autoresearch" / "night").iterdir())
    assert history.entries() == [first]
    assert add(history, 1).experiment.number == 1


def test_temporary_files_that_cannot_be_written_are_an_error(root: Path, history: History) -> None:
    (root / ".git" / "autoresearch").write_text("in the way")
    with pytest.raises(LedgerError, match="can't write to"):
        add(history, 0)


def test_an_unwritable_repository_is_refused(tmp_path: Path) -> None:
    (tmp_path / "objects").touch()
    with pytest.raises(LedgerError, match=f"can't write to {tmp_path}/objects: "):
        check_writable(tmp_path)


def test_a_damaged_experiment_is_an_error_and_not_forgotten(root: Path, history: History) -> None:
    commit = add(history, 0).record_commit
    damaged = root / ".git" / "objects" / commit[:2] / commit[2:]
    damaged.chmod(0o644)
    damaged.write_bytes(b"")
    with pytest.raises(LedgerError, match=f"git cat-file: .*{commit[2:]}"):
        history.entries()


def test_deleting_removes_one_campaign_only(root: Path) -> None:
    for tag in ("night", "night2"):
        for number in range(2):
            add(History(root, tag), number, 1.5 - number / 10)
    assert History(root, "night").delete() == 2
    assert campaigns(root) == ["night2"]
    assert git(root, "branch", "--format=%(refname:short)").split() == [
        "autoresearch/night2",
        "main",
    ]
    assert History(root, "night").entries() == []
    with pytest.raises(LedgerError, match=r"no campaign 'night' in .*; there: night2"):
        History(root, "night").delete()


def test_a_folder_without_a_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=f"make it one: git init {tmp_path}"):
        find_root(tmp_path)
    with pytest.raises(LedgerError, match="git clone"):
        find_root(init(tmp_path / "bare", "--bare"))
    with pytest.raises(LedgerError, match=f"cannot change to '{tmp_path}/nowhere'"):
        find_root(tmp_path / "nowhere")


def test_a_git_that_cannot_do_its_work_is_an_error(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(folder))
        with pytest.raises(LedgerError, match="git is not installed"):
            find_root(history.root)
        with pytest.raises(LedgerError, match="can't start git"):
            history.entries()
    (folder / "git").write_text("#!/bin/sh\nkill -9 $$\n")
    (folder / "git").chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        with pytest.raises(LedgerError, match="git for-each-ref was killed by signal 9"):
            history.entries()
    shutil.rmtree(history.root)
    with pytest.raises(LedgerError, match="git for-each-ref: fatal: cannot change to"):
        history.entries()


def test_two_writers_of_one_number_leave_one_experiment(root: Path, history: History) -> None:
    other = History(root, "night")
    find_parent = History._parent
    winner: list[Entry] = []

    def overtaken(self: History, made: Experiment) -> str | None:
        parent = find_parent(self, made)
        patch.undo()
        winner.append(add(other, 0, 1.2))
        return parent

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(History, "_parent", overtaken)
        with pytest.raises(LedgerError, match="reference already exists"):
            add(history, 0, 1.5)
    assert history.entries() == winner
