"""The user's repository: its folder, and checks before a campaign writes to it."""

import shutil
import tempfile
from pathlib import Path

from autoresearch_kit.errors import LedgerError
from autoresearch_kit.files.paths import checked
from autoresearch_kit.ledger.git import Git

PROJECT = "the project's folder"

_NEEDED_BYTES = 1_000_000  # free space that a start asks for: about ten experiments


def find_root(start: Path) -> Path:
    """Return the top folder of the checkout that `start` lies in.

    Raises:
        InputError: its path is not UTF-8, or has a line break.
        LedgerError: git is not installed, or there is no checkout; the message says what to do.
    """
    if shutil.which("git") is None:
        raise LedgerError("git is not installed; install it (https://git-scm.com), then try again")
    try:
        root = Path(Git(start).line("rev-parse", "--show-toplevel"))
    except LedgerError as error:
        checked(start, "the current folder")
        why = str(error)
        if "not a git repository" in why:
            why = f"it is not in a git repository; make it one: git init {start}"
        elif "must be run in a work tree" in why:
            why = f"it has no checkout (a bare repository?); make one: git clone {start} FOLDER"
        raise LedgerError(f"{start}: {why}") from error
    return checked(root, PROJECT)


def holds(root: Path, path: str, text: str) -> bool:
    """Return True if a commit that some ref reaches has `path` with the content `text`."""
    git = Git(root)
    blob = git.line("hash-object", f"--path={path}", "--stdin", stdin=text.encode())
    if git.objects([blob]) == [None]:
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
    """Check that git can write objects and refs below `folder`; LedgerError if it can't."""
    for part in (folder, folder / "objects", folder / "refs"):
        try:
            with tempfile.TemporaryFile(dir=part) as file:
                file.write(bytes(_NEEDED_BYTES))
        except OSError as error:
            raise LedgerError(
                f"can't write to {part}: {error.strerror}; free some space or change its owner or "
                "permissions"
            ) from error
