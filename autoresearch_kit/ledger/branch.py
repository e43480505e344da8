"""The branch `autoresearch/<tag>`: derived from the refs, never moved while it is checked out."""

from collections.abc import Set
from pathlib import Path

from autoresearch_kit.errors import LedgerError
from autoresearch_kit.ledger.plumbing import Git
from autoresearch_kit.ledger.refs import BRANCHES, branch_ref


class Branch:
    """The branch of campaign `tag`. Arguments named `own` are the campaign's code commits."""

    def __init__(self, git: Git, tag: str):
        self.name = f"autoresearch/{tag}"
        self._git = git
        self._ref = branch_ref(tag)

    def commit(self) -> str | None:
        """Return the commit that the branch points at, None if there is no branch."""
        return self._git.refs(self._ref).get(self._ref)

    def point_at(self, commit: str, own: Set[str]) -> bool:
        """Move the branch to `commit`; return True if it points there now.

        It stays while it is checked out, and while it points at a commit of somebody else.
        """
        before = self.commit()
        if before == commit:
            return True
        if self.checkout() or not (before is None or before in own):
            return False
        old = f"update {self._ref} {commit} {before}" if before else f"create {self._ref} {commit}"
        self._git.update_refs([old])
        return True

    def deletion(self, own: Set[str]) -> list[str]:
        """Return the `update-ref` commands that delete the branch.

        There are none if the branch points at a commit that is not the campaign's.

        Raises:
            LedgerError: it is checked out.
        """
        self._check_not_checked_out()
        before = self.commit()
        return [f"delete {self._ref} {before}"] if before in own else []

    def checkout(self) -> Path | None:
        """Return the worktree in which the branch is checked out, None if there is none."""
        folder = Path()
        for line in self._git.run("worktree", "list", "--porcelain").decode().splitlines():
            key, _, value = line.partition(" ")
            if key == "worktree":
                folder = Path(value)
            elif key == "branch" and value == self._ref and folder.is_dir():
                return folder
        return None

    def check(self, own: Set[str]) -> None:
        """Check that the branch can follow the best.

        Raises:
            LedgerError: it can't; the message says why and what to do.
        """
        self._check_neighbours()
        self._check_not_checked_out()
        before = self.commit()
        if before and before not in own:
            raise LedgerError(
                f"branch {self.name} is at {before[:9]}, which is no experiment of this campaign; "
                f"use another tag, or rename the branch: git branch -m {self.name} NAME"
            )

    def _check_not_checked_out(self) -> None:
        if folder := self.checkout():
            raise LedgerError(
                f"branch {self.name} is checked out in {folder}, and a branch is never moved or "
                f"deleted there; leave it first: git -C {folder} switch --detach"
            )

    def _check_neighbours(self) -> None:
        """Check for branches whose names git can't store beside this one, as x beside x/y."""
        below = [ref for ref in self._git.refs(self._ref) if ref != self._ref]
        above = [ref for ref in self._git.refs(BRANCHES) if ref == BRANCHES]
        for ref in above + below:
            name = ref.removeprefix("refs/heads/")
            raise LedgerError(
                f"a branch named {name!r} leaves no room for {self.name!r}; "
                f"rename it: git branch -m {name} NAME"
            )
