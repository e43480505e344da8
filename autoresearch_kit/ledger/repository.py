"""The user's repository: its folder, and checks before a campaign writes to it."""

import shutil
import tempfile
from pathlib import Path

from autoresearch_kit.errors import LedgerError
from autoresearch_kit.files.paths import checked
from autoresearch_kit.ledger.plumbing import Git

PROJECT = "the project's folder"

_ROOM = 1_000_000
"""Bytes that must be free at a start: about ten experiments."""


def find_root(start: Path) -> Path:
    """Return the top folder of the checkout that `start` lies in.

    Raises:
        InputError: its path is not UTF-8, or has a line break.
        LedgerError: git is not installed, or there is no checkout; the message says what to do.
    """
    if shutil.which("git") is None:
        raise LedgerError("git is not installed; install it (https://git-scm.com), then try again")
    git = Git(start)
    try:
        root = Path(git.line("rev-parse", "--show-toplevel"))
    except LedgerError as error:
        checked(start, "the current folder")
        raise LedgerError(_no_checkout(start, str(error))) from error
    return checked(root, PROJECT)


def _no_checkout(start: Path, complaint: str) -> str:
    if "not a git repository" in complaint:
        return f"{start} is not in a git repository; make it one: git init {start}"
    if "must be run in a work tree" in complaint:
        return f"{start} has no checkout (a bare repository?); make one: git clone {start} FOLDER"
    return f"{start}: {complaint}"


def holds(root: Path, path: str, text: str) -> bool:
    """Return True if a commit that some ref reaches has `path` with the content `text`."""
    git = Git(root)
    blob = git.line("hash-object", f"--path={path}", "--stdin", stdin=text.encode())
    if git.line("cat-file", "--batch-check", stdin=f"{blob}\n".encode()).endswith(" missing"):
        return False
    options = ["--all", "-m", "--max-count=1", "--format=%H", f"--find-object={blob}"]
    return bool(git.line("-c", "log.showRoot=true", "log", *options, "--", f":(top){path}"))


def check_not_brought(git: Git) -> None:
    """Check that git tracks no campaign's folder: a package in it would be run as the kit.

    Raises:
        LedgerError: it does.
    """
    if git.run("ls-files", "--", ":(top).autoresearch"):
        raise LedgerError(
            "git tracks files in .autoresearch, which holds code that a campaign runs outside of "
            "the sandbox; remove what is not yours: git rm -r .autoresearch"
        )


def check_writable(folder: Path) -> None:
    """Check that git can write objects and refs below `folder`.

    Raises:
        LedgerError: it can't.
    """
    for part in (folder, folder / "objects", folder / "refs"):
        try:
            with tempfile.TemporaryFile(dir=part) as file:
                file.write(bytes(_ROOM))
        except OSError as error:
            raise LedgerError(
                f"can't write to {part}: {error.strerror}; free some space or change its owner or "
                "permissions"
            ) from error
