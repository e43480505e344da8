"""Git commands below the porcelain, independent of the caller's environment and settings.

Hooks, signatures, automatic gc, replaced objects and an inherited `GIT_DIR` are off. The checkout,
the index and HEAD are never written: trees are made in an index of their own.
"""

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # else a missing git fails the import

from git.cmd import Git as Command
from git.exc import GitCommandNotFound

from autoresearch_kit.errors import InputError, LedgerError

# Set inside hooks, aliases and `rebase --exec`: `git rev-parse --local-env-vars`, and the dates.
_NOT_INHERITED = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE",
    "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_DIR", "GIT_GRAFT_FILE", "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE", "GIT_INTERNAL_SUPER_PREFIX", "GIT_NAMESPACE", "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_REPLACE_REF_BASE", "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)  # fmt: skip
_OPTIONS = ("--no-replace-objects", "--no-optional-locks")
_CONFIG = {
    "commit.gpgSign": "false",
    "core.fsmonitor": "false",
    "core.fsync": "all",  # git's default leaves loose objects to a power cut
    "core.hooksPath": "/dev/null",
    "core.splitIndex": "false",
    "core.warnAmbiguousRefs": "false",
    "gc.auto": "0",
    "i18n.commitEncoding": "UTF-8",
    "index.sparse": "false",
    "maintenance.auto": "false",
}
_IDENTITY = {"user.name": "autoresearch", "user.email": "autoresearch@localhost"}


class Object(NamedTuple):
    """An object's full name and its bytes."""

    name: str
    content: bytes


class Change(NamedTuple):
    """Files that a commit adds to its parent's tree, or replaces, by path; and its message."""

    files: Mapping[str, bytes]
    message: str


class Git:
    """Git commands in `root`.

    With `terminal`, a command may ask for a password and is ended by Ctrl-C; without it, Ctrl-C
    does not reach the command, so that a recording is not interrupted.
    """

    def __init__(self, root: Path, *, terminal: bool = False):
        self.root = root
        self._terminal = terminal

    def run(self, *args: str, stdin: bytes = b"", index: Path | None = None) -> bytes:
        """Run `git *args` and return what it prints.

        Raises:
            LedgerError: it failed; the message ends in git's own last line.
        """
        done = self._execute(args, stdin, index)
        if done.returncode != 0:
            raise _failure(args, done)
        return done.stdout

    def line(self, *args: str, stdin: bytes = b"", index: Path | None = None) -> str:
        """Run `git *args` and return the line that it prints, without its end."""
        return os.fsdecode(self.run(*args, stdin=stdin, index=index)).removesuffix("\n")

    def objects(self, names: Sequence[str]) -> list[Object | None]:
        """Return each object, None where there is none; one process reads them all.

        Raises:
            LedgerError: an object is damaged; git calls it missing, and says why on stderr.
        """
        args = ("cat-file", "--batch")
        done = self._execute(args, "".join(f"{name}\n" for name in names).encode())
        if done.returncode != 0 or b"error: " in done.stderr:
            raise _failure(args, done)
        out = BytesIO(done.stdout)
        return [_next_object(out) for _ in names]

    def refs(self, *prefixes: str) -> dict[str, str]:
        """Return the object's name of each ref that is one of `prefixes` or lies under one."""
        out = self.run("for-each-ref", "--format=%(refname) %(objectname)", *prefixes)
        return dict(line.split(" ") for line in os.fsdecode(out).splitlines())

    def update_refs(self, commands: Sequence[str]) -> None:
        """Run `update-ref --stdin` commands (`create REF OID`, ...): all of them or none."""
        self.run("update-ref", "--stdin", stdin="".join(f"{line}\n" for line in commands).encode())

    def folder(self) -> Path:
        """Return the folder of the repository, which all its worktrees share."""
        return Path(self.line("rev-parse", "--path-format=absolute", "--git-common-dir"))

    def person(self) -> tuple[str, str]:
        """Return the name and the address of the person at work here, as git knows them.

        Raises:
            InputError: git was not told.
        """
        try:
            said = self.line("-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT")
        except LedgerError as error:
            raise InputError(
                "git does not know who you are, and an answer says who gave it; tell it: "
                'git config user.name "YOUR NAME"; git config user.email YOU@EXAMPLE.ORG'
            ) from error
        name, _, rest = said.partition(" <")
        return name, rest.partition(">")[0]

    def commit(self, parent: str | None, changes: Sequence[Change], scratch: Path) -> list[str]:
        """Commit these changes, each on the one before, the first on `parent`; return their names.

        Without a parent the first is a root. The files are stored byte for byte: no filter, no
        line-end conversion. The index is a temporary file in `scratch`.
        """
        identity, commits = self._identity(), list[str]()
        try:
            scratch.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=scratch) as folder:
                index = Path(folder, "index")
                self.run("read-tree", parent or "--empty", index=index)
                blobs = iter(
                    self._store([each for c in changes for each in c.files.values()], folder)
                )
                for change in changes:
                    named = zip(change.files, blobs, strict=False)  # the next has the rest
                    entries = "".join(f"100644 {blob}\t{path}\0" for path, blob in named).encode()
                    add = ("update-index", "--replace", "-z", "--index-info")
                    self.run(*add, stdin=entries, index=index)
                    tree = self.line("write-tree", index=index)
                    parents = ["-p", parent] if parent else []
                    args = [*identity, "commit-tree", *parents, "-F", "-", tree]
                    parent = self.line(*args, stdin=change.message.encode())
                    commits.append(parent)
        except OSError as error:
            raise LedgerError(f"can't write to {scratch}: {error.strerror}") from error
        return commits

    def _store(self, contents: Sequence[bytes], folder: str) -> list[str]:
        """Return the names of blobs of these contents, which are written to `folder` first."""
        paths = [Path(folder, f"blob-{number}") for number, _ in enumerate(contents)]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        listed = "".join(f"{path}\n" for path in paths).encode()
        blobs = self.run("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=listed)
        return blobs.decode().split()

    def _identity(self) -> list[str]:
        """Return options that give commits an author where the user has set none."""
        out = self.run("config", "--list", "-z").decode(errors="replace")
        settings = dict(item.partition("\n")[::2] for item in out.split("\0"))
        return _config({name: value for name, value in _IDENTITY.items() if not settings.get(name)})

    def _execute(
        self, args: Sequence[str], stdin: bytes, index: Path | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        # GitPython adds to the environment and can't take from it
        clean = [word for name in _NOT_INHERITED for word in ("-u", name)]
        own = [f"GIT_INDEX_FILE={index}"] if index else []
        git = ["git", "-C", str(self.root), *_OPTIONS, *_config(_CONFIG), *args]
        try:
            process = Command(self.root).execute(
                ["env", *clean, *own, *git],
                istream=subprocess.PIPE,
                as_process=True,
                start_new_session=not self._terminal,
            )
        except (OSError, GitCommandNotFound) as error:
            raise LedgerError(f"can't start git: {error}") from error
        out, errors = process.communicate(stdin)
        return subprocess.CompletedProcess(git, process.returncode, out, errors)


def _config(settings: Mapping[str, str]) -> list[str]:
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def _next_object(out: BytesIO) -> Object | None:
    header = out.readline()
    if header.endswith(b" missing\n"):
        return None
    name, _, size = header.decode().split()
    return Object(name, out.read(int(size) + 1)[:-1])


def _failure(args: Sequence[str], done: subprocess.CompletedProcess[bytes]) -> LedgerError:
    command = next(word for word in args if not word.startswith("-") and "=" not in word)
    if done.returncode < 0:
        return LedgerError(f"git {command} was killed by signal {-done.returncode}")
    lines = [line.strip() for line in done.stderr.decode(errors="replace").splitlines()]
    said = [line for line in lines if line] or [f"exit status {done.returncode}"]
    fatal = [line for line in said if line.startswith(("fatal: ", "error: "))]
    return LedgerError(f"git {command}: {(fatal or said)[-1]}")
