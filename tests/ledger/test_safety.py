"""The user's repository is never harmed, and no experiment is ever lost."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autoresearch_kit.errors import LedgerError
from autoresearch_kit.ledger import NOTEBOOK, Entry, History, campaigns, delete, find_root
from autoresearch_kit.ledger.repository import check_writable
from autoresearch_kit.records import Experiment, Verdict
from tests.ledger.ledger import add, git, init, project


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return project(tmp_path / "project")


@pytest.fixture
def history(root: Path) -> History:
    return History(root, "night")


def worth_keeping(root: Path) -> tuple[str, ...]:
    """Return everything that a user could lose: files, index, HEAD."""
    files = sorted(f"{p}: {p.read_bytes()!r}" for p in root.glob("[!.]*/**/*") if p.is_file())
    commands = [["status", "--porcelain"], ["diff"], ["diff", "--cached"], ["rev-parse", "HEAD"]]
    head = (root / ".git" / "HEAD").read_text()
    return (*files, head, *(git(root, *command) for command in commands))


def uncommitted(root: Path) -> None:
    (root / NOTEBOOK).write_text("{changed}\n")
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
def test_the_users_work_is_not_touched(
    root: Path, history: History, state: Callable[[Path], None]
) -> None:
    state(root)
    before = worth_keeping(root)
    add(history, 0)
    add(history, 1)
    history.repair()
    assert worth_keeping(root) == before
    assert len(history.entries()) == 2


def test_uncommitted_work_does_not_get_into_the_history(root: Path, history: History) -> None:
    uncommitted(root)
    staged(root)
    entry = add(history, 0)
    assert git(root, "show", f"{entry.code_commit}:README.md") == "# project\n"


def test_a_repository_without_commits_works(tmp_path: Path) -> None:
    history = History(init(tmp_path / "new"), "night")
    entries = [add(history, 0), add(history, 1)]
    assert history.entries() == entries
    assert git(history.root, "ls-tree", "-r", "--name-only", entries[0].code_commit) == (
        f"{NOTEBOOK}\n"
    )
    assert history.diff(0) == ("", "notebook 0\n")


def test_a_sha_256_repository_works(tmp_path: Path) -> None:
    history = History(project(tmp_path / "project", "--object-format=sha256"), "night")
    entries = [add(history, 0), add(history, 1)]
    assert history.entries() == entries
    assert len(entries[0].code_commit) == 64


def test_a_linked_worktree_works(root: Path, tmp_path: Path) -> None:
    git(root, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    there = History(find_root(tmp_path / "side" / "notebooks"), "night")
    entry = add(there, 0)
    assert there.root == tmp_path / "side"
    assert History(root, "night").entries() == [entry]
    there.check()


def test_packed_refs_and_objects_work(root: Path, history: History) -> None:
    add(history, 0)
    git(root, "gc", "-q")
    add(history, 1)
    assert [e.number for e in history.experiments()] == [0, 1]


def test_hooks_are_not_run(root: Path, history: History) -> None:
    hook = root / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    entry = add(history, 0)
    assert git(root, "rev-parse", "autoresearch/night").strip() == entry.code_commit


def test_commits_are_not_signed(root: Path, history: History) -> None:
    git(root, "config", "commit.gpgSign", "true")
    git(root, "config", "gpg.program", "/bin/false")
    assert add(history, 0)


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


@pytest.fixture
def nobody(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the user have no name in git."""
    git(root, "config", "--unset", "user.name")
    git(root, "config", "--unset", "user.email")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def author(root: Path, commit: str) -> str:
    return git(root, "log", "-1", "--format=%an <%ae>, %cn <%ce>", commit).strip()


def test_commits_have_the_users_name(root: Path, history: History) -> None:
    commit = add(history, 0).code_commit
    assert author(root, commit) == "Ada <ada@example.org>, Ada <ada@example.org>"


def test_without_a_user_name_commits_have_the_kits(
    root: Path, history: History, nobody: None
) -> None:
    git(root, "config", "user.useConfigOnly", "true")
    kit = "autoresearch <autoresearch@localhost>"
    assert author(root, add(history, 0).code_commit) == f"{kit}, {kit}"


def test_an_email_without_a_name_is_kept(root: Path, history: History, nobody: None) -> None:
    git(root, "config", "user.email", "eve@example.org")
    eve = "autoresearch <eve@example.org>"
    assert author(root, add(history, 0).code_commit) == f"{eve}, {eve}"


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


def test_the_index_of_a_killed_process_is_removed(root: Path, history: History) -> None:
    left = root / ".git" / "autoresearch" / "night" / "tmp1234"
    left.mkdir(parents=True)
    history.repair()
    assert not left.exists()


def test_the_lock_of_a_killed_git_is_removed(root: Path, history: History) -> None:
    add(history, 0)
    lock = root / ".git" / "refs" / "autoresearch" / "night" / "0001.lock"
    lock.touch()
    with pytest.raises(LedgerError, match=r"git update-ref: .*0001\.lock"):
        add(history, 1)
    history.repair()
    assert add(history, 1)


def test_a_locked_branch_loses_no_experiment(root: Path, history: History) -> None:
    add(history, 0)
    (root / ".git" / "refs" / "heads" / "autoresearch" / "night.lock").touch()
    entry = add(history, 1)
    assert history.best() == entry
    assert history.repair()
    assert git(root, "rev-parse", "autoresearch/night").strip() == entry.code_commit


APPEND_FOR_EVER = """
import sys
from itertools import count
from pathlib import Path
from autoresearch_kit.ledger import History
from tests.ledger.ledger import add
for number in count():
    add(History(Path(sys.argv[1]), "night"), number)
    print(number, flush=True)
"""


def test_an_appended_experiment_survives_a_kill(root: Path, history: History) -> None:
    command = [sys.executable, "-c", APPEND_FOR_EVER, str(root)]
    project_folder = Path(__file__).parents[2]
    with subprocess.Popen(
        command, cwd=project_folder, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        told = [int(process.stdout.readline()) for _ in range(3)]
        process.kill()
    numbers = [e.number for e in history.experiments()]
    assert numbers[:3] == told
    assert numbers == list(range(len(numbers)))
    assert history.repair()


def test_other_locks_are_not_removed(root: Path, history: History) -> None:
    add(history, 0)
    add(History(root, "day"), 0)
    others = [
        root / ".git" / name
        for name in ("index.lock", "refs/heads/main.lock", "refs/autoresearch/day/0001.lock")
    ]
    for lock in others:
        lock.touch()
    history.repair()
    assert all(lock.exists() for lock in others)


def test_repair_points_the_branch_at_the_best(root: Path, history: History) -> None:
    assert history.repair()  # nothing to do yet
    zero, best = add(history, 0), add(history, 1)
    branch = "refs/heads/autoresearch/night"
    for damage in (["update-ref", branch, zero.code_commit], ["update-ref", "-d", branch]):
        git(root, *damage)
        assert history.repair()
        assert git(root, "rev-parse", branch).strip() == best.code_commit


def test_a_checked_out_branch_is_not_moved_or_deleted(root: Path, history: History) -> None:
    zero = add(history, 0)
    git(root, "checkout", "-q", "autoresearch/night")
    with pytest.raises(LedgerError, match=f"git -C {root} switch --detach"):
        history.check()
    with pytest.raises(LedgerError, match="is checked out"):
        delete(root, "night")
    add(history, 1)
    assert not history.repair()
    assert git(root, "rev-parse", "HEAD").strip() == zero.code_commit
    assert git(root, "status", "--porcelain") == ""
    git(root, "switch", "--detach")  # as the message says
    history.check()
    assert history.repair()


def test_a_branch_checked_out_in_a_worktree_is_refused(
    root: Path, history: History, tmp_path: Path
) -> None:
    add(history, 0)
    side = tmp_path / "side"
    git(root, "worktree", "add", "-q", str(side), "autoresearch/night")
    with pytest.raises(LedgerError, match=f"is checked out in {side}"):
        history.check()


def test_foreign_commits_on_the_branch_are_kept(root: Path, history: History) -> None:
    add(history, 0)
    theirs = git(root, "commit-tree", "-m", "Theirs", "HEAD^{tree}").strip()
    git(root, "update-ref", "refs/heads/autoresearch/night", theirs)
    advice = "use another tag, or rename the branch: git branch -m autoresearch/night NAME"
    with pytest.raises(LedgerError, match=advice):
        history.check()
    add(history, 1)
    assert not history.repair()
    assert git(root, "rev-parse", "autoresearch/night").strip() == theirs


@pytest.mark.parametrize("name", ["autoresearch", "autoresearch/night/x"])
def test_a_branch_in_the_way_is_refused(root: Path, history: History, name: str) -> None:
    git(root, "branch", name)
    with pytest.raises(LedgerError, match=f"rename it: git branch -m {name} NAME"):
        history.check()
    git(root, "branch", "-m", name, "elsewhere")
    history.check()


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
    assert delete(root, "night") == 2
    assert campaigns(root) == ["night2"]
    assert git(root, "branch", "--format=%(refname:short)").split() == [
        "autoresearch/night2",
        "main",
    ]
    assert History(root, "night").entries() == []


def test_deleting_an_unknown_campaign_is_refused(root: Path, history: History) -> None:
    add(history, 0)
    with pytest.raises(LedgerError, match=r"no campaign 'day' in .*; there: night"):
        delete(root, "day")


def test_a_folder_without_a_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=f"make it one: git init {tmp_path}"):
        find_root(tmp_path)
    with pytest.raises(LedgerError, match="git clone"):
        find_root(init(tmp_path / "bare", "--bare"))


def test_a_missing_git_is_an_error(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LedgerError, match="git is not installed"):
        find_root(history.root)
    with pytest.raises(LedgerError, match="can't start git"):
        history.entries()


def test_a_killed_git_is_an_error(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\nkill -9 $$\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(LedgerError, match="git cat-file was killed by signal 9"):
        history.entries()


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=f"cannot change to '{tmp_path}/nowhere'"):
        find_root(tmp_path / "nowhere")


def test_a_removed_project_is_an_error(root: Path, history: History) -> None:
    shutil.rmtree(root)
    with pytest.raises(LedgerError, match="git cat-file: fatal: cannot change to"):
        history.entries()


def test_a_discard_does_not_move_the_branch(root: Path, history: History) -> None:
    zero = add(history, 0)
    add(history, 1, 1.6, Verdict.DISCARD)
    assert git(root, "rev-parse", "autoresearch/night").strip() == zero.code_commit


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
