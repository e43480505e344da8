"""Repair what a killed git or a person left behind: locks, and the campaign's branch."""

from pathlib import Path

import pytest

from autoresearch_kit.errors import LedgerError
from autoresearch_kit.ledger import History
from tests.ledger.ledger import add, git


def test_the_lock_and_index_of_a_killed_git_are_removed(root: Path, history: History) -> None:
    add(history, 0)
    lock = root / ".git" / "refs" / "autoresearch" / "night" / "0001.lock"
    lock.touch()
    index = root / ".git" / "autoresearch" / "night" / "tmp1234"
    index.mkdir(parents=True)
    with pytest.raises(LedgerError, match=r"git update-ref: .*0001\.lock"):
        add(history, 1)
    history.repair()
    assert not index.exists()
    assert add(history, 1)


def test_a_locked_branch_loses_no_experiment(root: Path, history: History) -> None:
    add(history, 0)
    (root / ".git" / "refs" / "heads" / "autoresearch" / "night.lock").touch()
    entry = add(history, 1)
    assert history.best() == entry
    assert history.repair()
    assert git(root, "rev-parse", "autoresearch/night").strip() == entry.code_commit


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
        History(root, "night").delete()
    add(history, 1)
    assert not history.repair()
    assert git(root, "rev-parse", "HEAD").strip() == zero.code_commit
    assert git(root, "status", "--porcelain") == ""
    git(root, "switch", "--detach")  # as the message says
    history.check()
    assert history.repair()


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
