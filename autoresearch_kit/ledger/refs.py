"""Refs: where experiments and the branch of their best are created, moved and deleted.

An experiment exists from the moment that `create_experiment` has created its ref. The branch
`autoresearch/<tag>` is derived from these refs, and never moved while it is checked out.
"""

import re
from collections.abc import Set
from pathlib import Path

from autoresearch_kit.errors import InputError, LedgerError
from autoresearch_kit.ledger.git import Git

REFS = "refs/autoresearch"
_BRANCHES = "refs/heads/autoresearch"
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}")
_APPROVALS = "approvals"
_REF = re.compile(rf"{REFS}/([^/]+)/([0-9]{{4,9}})")
_FILE = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*", re.ASCII)


def is_tag(name: str) -> bool:
    """Return True if `name` can name a campaign: a component of a git ref and of a path."""
    return bool(_TAG.fullmatch(name)) and ".." not in name and not name.endswith((".", ".lock"))


def valid_tag(tag: str) -> str:
    """Return `tag` if it can name a campaign.

    Raises:
        InputError: it can't.
    """
    if not is_tag(tag):
        raise InputError(
            f"can't use {tag!r} as a tag; allowed: up to 50 letters, digits, '.', '_' and '-', "
            "starting with a letter or digit, without '..' and not ending in '.' or '.lock'"
        )
    return tag


def campaign_refs(tag: str) -> str:
    """Return the prefix of the refs of all experiments of a campaign."""
    return f"{REFS}/{tag}"


def experiment_ref(tag: str, number: int) -> str:
    """Return the ref of experiment `number`, which exists if and only if this ref does."""
    return f"{REFS}/{tag}/{number:04d}"


def approvals_refs(tag: str) -> str:
    """Return the prefix of the refs of a campaign's approvals."""
    return f"{campaign_refs(tag)}/{_APPROVALS}"


def approval_ref(tag: str, number: int) -> str:
    """Return the ref of the answer to whether keep `number` may be built on."""
    return f"{approvals_refs(tag)}/{number:04d}"


def branch_ref(tag: str) -> str:
    """Return the full name of the branch of a campaign's kept edits."""
    return f"{_BRANCHES}/{tag}"


def parse_ref(ref: str) -> tuple[str, int] | None:
    """Return the tag and number in an experiment's ref, None for any other ref.

    Refs may come from strangers: a ref that no campaign could have made is not a campaign's.
    """
    match = _REF.fullmatch(ref)
    if match is None or not is_tag(match[1]) or ref != experiment_ref(match[1], int(match[2])):
        return None
    return match[1], int(match[2])


def parse_approval(ref: str) -> tuple[str, int] | None:
    """Return the tag and number in an approval's ref, None for any other ref."""
    parts = ref.rsplit("/", 2)
    if len(parts) != 3 or parts[1] != _APPROVALS:
        return None
    return parse_ref(f"{parts[0]}/{parts[2]}")


def experiment_file(tag: str, number: int, name: str) -> str:
    """Return the path of an experiment's file in its record commit.

    Raises:
        InputError: git would silently leave out a file of that name.
    """
    if not _FILE.fullmatch(name):
        raise InputError(
            f"can't use {name!r} as a file name; allowed: words joined by '.', '-', '/'"
        )
    return f"experiments/{tag}/{number:04d}/{name}"


def create_experiment(git: Git, tag: str, number: int, record_commit: str) -> None:
    """Create the ref of experiment `number`.

    Raises:
        LedgerError: the ref exists already, or can't be written.
    """
    git.update_refs([f"create {experiment_ref(tag, number)} {record_commit}"])


def create_approval(git: Git, tag: str, number: int, commit: str) -> None:
    """Create the ref of the answer about keep `number`.

    Raises:
        LedgerError: it was answered before, or the ref can't be written.
    """
    git.update_refs([f"create {approval_ref(tag, number)} {commit}"])


def delete_campaign(git: Git, tag: str, own: Set[str]) -> None:
    """Delete the refs of all experiments, and the branch if it points at a commit in `own`.

    Raises:
        LedgerError: the branch is checked out.
    """
    branch = Branch(git, tag)
    branch.check_not_checked_out()
    refs = git.refs(campaign_refs(tag))
    if (commit := branch.commit()) in own:
        refs[branch.ref] = str(commit)
    git.update_refs([f"delete {ref} {commit}" for ref, commit in refs.items()])


class Branch:
    """The branch of campaign `tag`. Arguments named `own` are the campaign's code commits."""

    def __init__(self, git: Git, tag: str):
        self.name = f"autoresearch/{tag}"
        self.ref = branch_ref(tag)
        self._git = git

    def commit(self) -> str | None:
        """Return the commit that the branch points at, None if there is no branch."""
        return self._git.refs(self.ref).get(self.ref)

    def point_at(self, commit: str, own: Set[str]) -> bool:
        """Move the branch to `commit`; return True if it points there now.

        It stays while it is checked out, and while it points at a commit of somebody else.
        """
        before = self.commit()
        if before == commit:
            return True
        if self._checkout() or not (before is None or before in own):
            return False
        # with the old commit, git refuses if somebody moved the branch meanwhile
        move = f"update {self.ref} {commit} {before}" if before else f"create {self.ref} {commit}"
        self._git.update_refs([move])
        return True

    def check(self, own: Set[str]) -> None:
        """Check that the branch can follow the best.

        Raises:
            LedgerError: it can't; the message says why and what to do.
        """
        below = [ref for ref in self._git.refs(self.ref) if ref != self.ref]
        above = [ref for ref in self._git.refs(_BRANCHES) if ref == _BRANCHES]
        for ref in above + below:  # git can't store x beside x/y
            name = ref.removeprefix("refs/heads/")
            raise LedgerError(
                f"a branch named {name!r} leaves no room for {self.name!r}; "
                f"rename it: git branch -m {name} NAME"
            )
        self.check_not_checked_out()
        before = self.commit()
        if before and before not in own:
            raise LedgerError(
                f"branch {self.name} is at {before[:9]}, which is no experiment of this campaign; "
                f"use another tag, or rename the branch: git branch -m {self.name} NAME"
            )

    def check_not_checked_out(self) -> None:
        """Check that no worktree has the branch checked out.

        Raises:
            LedgerError: one has.
        """
        if folder := self._checkout():
            raise LedgerError(
                f"branch {self.name} is checked out in {folder}, and a branch is never moved or "
                f"deleted there; leave it first: git -C {folder} switch --detach"
            )

    def _checkout(self) -> Path | None:
        """Return the worktree in which the branch is checked out, None if there is none."""
        folder = Path()
        for line in self._git.run("worktree", "list", "--porcelain").decode().splitlines():
            key, _, value = line.partition(" ")
            if key == "worktree":
                folder = Path(value)
            elif key == "branch" and value == self.ref and folder.is_dir():
                return folder
        return None
