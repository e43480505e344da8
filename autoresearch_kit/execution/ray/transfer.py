"""Folders that are sent to a node once, by digest, and checked there.

Only the standard library is imported: on a node this runs before the kit is there.
"""

import compileall
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PIECES_BYTES = 32 * 2**20  # bytes that travel at a time
SPARE_BYTES = 10**9  # bytes of a node's disk that stay free beside a data set, for the runs

BYTE_CODE = "__pycache__"

PROGRAMS = (b"#!", b"\x7fELF")
"""Starts of files that can be run."""

Piece = tuple[str, bytes]  # a file's name in its folder, and the bytes that come next in it


class TransferError(Exception):
    """A folder can't be brought to a node; the message says why."""


@dataclass(frozen=True)
class SentFolder:
    """A folder to be brought: `name` is its folder's in a node's cache, `size` is in bytes."""

    name: str
    digest: str
    size: int


def describe_folder(stem: str, folder: Path) -> SentFolder:
    """Return the description of a folder, whose files are all read for it."""
    whole = digest(folder)
    size = sum((folder / name).stat().st_size for name in names(folder))
    return SentFolder(f"{stem}-{whole}", whole, size)


def names(folder: Path) -> list[str]:
    """Return the files below a folder but for byte code, sorted."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in files if BYTE_CODE not in path.parts)


def digest(folder: Path) -> str:
    """Return a digest of the names and contents of a folder's files, in short hex."""
    whole = hashlib.sha256()
    for name in names(folder):
        with (folder / name).open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{content} {name}\n".encode())
    return whole.hexdigest()[:16]


def pieces(folder: Path) -> Iterator[list[Piece]]:
    """Yield the content of a folder's files, about `PIECES_BYTES` at a time."""
    batch, held = list[Piece](), 0
    for name in names(folder):
        with (folder / name).open("rb") as file:
            data = file.read(PIECES_BYTES)
            batch.append((name, data))
            held += len(data)
            while len(data) == PIECES_BYTES:
                yield batch
                data = file.read(PIECES_BYTES)
                batch, held = [(name, data)], len(data)
        if held >= PIECES_BYTES:
            yield batch
            batch, held = [], 0
    yield batch


class Store:
    """The folders that a node has, in its cache; a lock lets one process at a time bring one."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._lock = -1

    def folder(self, sent: SentFolder) -> Path:
        """Return the path of a folder that was sent."""
        return self._cache / sent.name

    def begin(self, sent: SentFolder) -> bool:
        """Return True if the caller is to send the folder now; wait for others that do.

        Raises:
            TransferError: there is no space for it.
        """
        self._cache.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self._cache / f".{sent.name}.lock", os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        if self.folder(sent).is_dir():
            self._unlock()
            return False
        shutil.rmtree(self._part(sent), ignore_errors=True)
        free = shutil.disk_usage(self._cache).free
        if free < sent.size + SPARE_BYTES:
            self._unlock()
            raise TransferError(
                f"{self._cache} has {free / 1e9:.1f} GB free, and {sent.name} with what runs "
                f"write needs {(sent.size + SPARE_BYTES) / 1e9:.1f} GB; free some space, or set "
                "AUTORESEARCH_NODE to a folder on another disk"
            )
        self._part(sent).mkdir()
        return True

    def take(self, sent: SentFolder, some: Sequence[Piece]) -> None:
        """Append what came of the folder's files."""
        for name, data in some:
            path = self._part(sent) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(data)

    def end(self, sent: SentFolder) -> None:
        """Check what came, compile it if it is Python, and put it into its place, in one step.

        Raises:
            TransferError: it is not what was sent.
        """
        part, target = self._part(sent), self.folder(sent)
        if (came := digest(part)) != sent.digest:
            raise TransferError(f"{sent.name} came damaged, with the digest {came}")
        for name in names(part):
            with (part / name).open("rb") as file:
                if file.read(4).startswith(PROGRAMS):
                    (part / name).chmod(0o755)  # of files, only names and contents travel
        compileall.compile_dir(part, ddir=target, quiet=1)  # a sandbox can't keep byte code
        part.rename(target)
        self._unlock()

    def _part(self, sent: SentFolder) -> Path:
        return self._cache / f".{sent.name}.part"

    def _unlock(self) -> None:
        os.close(self._lock)
