"""The branch of a campaign's best, which is never moved while it is checked out."""

from collections.abc import Set
from pathlib import Path

from autoresearch_kit.errors import LedgerError
from autoresearch_kit.ledger.git import Git

_BRANCHES = "refs/heads/autoresearch"


def branch_ref(tag: str) -> str:
    """Return the full name of the branch of a campaign's kept edits."""
    return f"{_BRANCHES}/{tag}"


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
        """Check that no worktree has the branch checked out; LedgerError if one has."""
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
