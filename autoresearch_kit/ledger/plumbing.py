"""Git commands below the porcelain, independent of the caller's environment and settings.

Hooks, signatures, automatic gc, replaced objects and an inherited `GIT_DIR` are off. The checkout,
the index and HEAD are never written: trees are made in an index of their own.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import NamedTuple

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # else a missing git fails the import

from git.cmd import Git as Command
from git.exc import GitCommandNotFound

from autoresearch_kit.errors import LedgerError

# Set inside hooks, aliases and `rebase --exec`: `git rev-parse --local-env-vars`, and the dates.
_NOT_INHERITED = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_AUTHOR_DATE",
    "GIT_COMMITTER_DATE",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)
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
        process = self._start(args, index)
        out: bytes
        errors: bytes
        out, errors = process.communicate(stdin)
        if process.returncode != 0:
            raise LedgerError(_complaint(args, process.returncode, errors))
        return out

    def line(self, *args: str, stdin: bytes = b"", index: Path | None = None) -> str:
        """Run `git *args` and return the line that it prints, without its end."""
        return os.fsdecode(self.run(*args, stdin=stdin, index=index)).removesuffix("\n")

    def commits_of(self, *revisions: str) -> list[str | None]:
        """Return the full name of each revision's commit, None if there is none."""
        request = "".join(f"{revision}^{{commit}}\n" for revision in revisions).encode()
        lines = self.run("cat-file", "--batch-check", stdin=request).decode().splitlines()
        return [None if line.endswith(" missing") else line.split()[0] for line in lines]

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

    @contextmanager
    def tree(self, base: str | None, scratch: Path) -> Iterator["Tree"]:
        """Yield a tree that starts as commit `base`'s, or empty; its index is in `scratch`."""
        try:
            scratch.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=scratch) as folder:
                index = Path(folder) / "index"
                self.run("read-tree", base if base else "--empty", index=index)
                yield Tree(self, index)
        except OSError as error:
            raise LedgerError(f"can't write to {scratch}: {error.strerror}") from error

    @contextmanager
    def objects(self) -> Iterator["Objects"]:
        """Yield a git process that reads objects for as long as the block lasts.

        Raises:
            LedgerError: an object is damaged; git calls it missing, and says why on stderr.
        """
        process = self._start(("cat-file", "--batch"), None)
        errors: bytes = b""
        try:
            yield Objects(process)
        finally:
            _, errors = process.communicate()
        if b"error: " in errors:
            raise LedgerError(_complaint(("cat-file",), process.returncode, errors))

    def _start(self, args: Sequence[str], index: Path | None) -> Command.AutoInterrupt:
        clean = [word for name in _NOT_INHERITED for word in ("-u", name)]
        own = [f"GIT_INDEX_FILE={index}"] if index else []
        config = [word for name, value in _CONFIG.items() for word in ("-c", f"{name}={value}")]
        git = ["git", "-C", str(self.root), "--no-replace-objects", "--no-optional-locks"]
        command = ["env", *clean, *own, *git, *config, *args]
        detached = not self._terminal
        try:
            return Command(self.root).execute(
                command, istream=PIPE, as_process=True, start_new_session=detached
            )
        except (OSError, GitCommandNotFound) as error:
            raise LedgerError(f"can't start git: {error}") from error

    def identity(self) -> list[str]:
        """Return options that give commits an author where the user has set none."""
        out = self.run("config", "--list", "-z").decode(errors="replace")
        settings = dict(item.partition("\n")[::2] for item in out.split("\0"))
        missing = {name: value for name, value in _IDENTITY.items() if not settings.get(name)}
        return [word for name, value in missing.items() for word in ("-c", f"{name}={value}")]


class Tree:
    """Files to be committed, made by `Git.tree`."""

    def __init__(self, git: Git, index: Path):
        self._git = git
        self._index = index
        self._identity = git.identity()

    def put(self, files: Mapping[str, bytes]) -> None:
        """Add or replace files, byte for byte as given: no filter, no line-end conversion."""
        blobs = zip(files, self._write(list(files.values())), strict=True)
        request = "".join(f"100644 {blob}\t{path}\0" for path, blob in blobs).encode()
        self._git.run(
            "update-index", "--replace", "-z", "--index-info", stdin=request, index=self._index
        )

    def commit(self, message: str, parent: str | None) -> str:
        """Commit the files on top of `parent`, or as a root; return the commit's name."""
        tree = self._git.line("write-tree", index=self._index)
        parents = ["-p", parent] if parent else []
        options = [*self._identity, "commit-tree", *parents, "-F", "-", tree]
        return self._git.line(*options, stdin=message.encode())

    def _write(self, contents: Sequence[bytes]) -> list[str]:
        """Write blobs with one process; return their names."""
        paths = [self._index.with_name(f"blob-{number}") for number in range(len(contents))]
        for path, data in zip(paths, contents, strict=True):
            path.write_bytes(data)
        request = "".join(f"{path}\n" for path in paths).encode()
        out = self._git.run("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=request)
        return out.decode().split()


class Object(NamedTuple):
    """An object's full name and its bytes."""

    name: str
    content: bytes


class Objects:
    """Reads objects by name through one process, made by `Git.objects`."""

    def __init__(self, process: Command.AutoInterrupt):
        self._process = process

    def read(self, names: Sequence[str]) -> list[Object | None]:
        """Return each object, None where there is none.

        All requests are written before the first answer is read, so they must fit into a pipe: at
        most about 50 names at a time.
        """
        try:
            self._process.stdin.write("".join(f"{name}\n" for name in names).encode())
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._death() from error
        return [self._next() for _ in names]

    def _next(self) -> Object | None:
        header: bytes = self._process.stdout.readline()
        if header.endswith(b" missing\n"):
            return None
        if not header:
            raise self._death()
        name, _, size = header.decode().split()
        content: bytes = self._process.stdout.read(int(size) + 1)
        return Object(name, content[:-1])

    def _death(self) -> LedgerError:
        errors: bytes
        _, errors = self._process.communicate()
        return LedgerError(_complaint(("cat-file",), self._process.returncode, errors))


def _complaint(args: Sequence[str], status: int, errors: bytes) -> str:
    words = [line.strip() for line in errors.decode(errors="replace").splitlines() if line.strip()]
    command = next(word for word in args if not word.startswith("-") and "=" not in word)
    fatal = [line for line in words if line.startswith(("fatal: ", "error: "))]
    if status < 0:
        return f"git {command} was killed by signal {-status}"
    return f"git {command}: {(fatal or words or [f'exit status {status}'])[-1]}"
