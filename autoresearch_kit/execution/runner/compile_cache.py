"""Keep what `torch.compile` has compiled from run to run. Each run works on a copy of its own.

Unreviewed code wrote these files and later runs load them, so they are a way to pass on weights,
and to spoil others' runs. Therefore:

- They are kept by code. A run gets what runs of the same code, the constants' values aside, have
  compiled, and what the campaign's first code, the baseline, has: a person wrote that. What an
  edit leaves here reaches no run of other code.
- Only files that look like a compiler's are kept, of limited size each and together, and only
  those of a run that got a score.

This does not stop code that hides what it learnt inside such files: it finds them when the same
code runs again.
"""

import hashlib
import os
import re
import threading
from collections.abc import Container, Iterator
from pathlib import Path

from autoresearch_kit.errors import EditError
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.files.untrusted import Entry, entries, plain_file
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.cells import parse_cells
from autoresearch_kit.records import CacheUse

MAX_BYTES = 512 * MEGABYTE  # a cache that has grown beyond this is dropped and starts again

RUN_BYTES = 128 * MEGABYTE
"""Nothing is kept of a run that compiled more: one compilation makes 4 to 40 MB."""

FILE_BYTES = 4 * MEGABYTE  # largest file that is kept; compiled kernels have some 100 KB
FOLDER = "cache"  # the folder of the cache, in the work folder
FIRST_FILE = "first"  # names the code that the cache began with

TEXTS = frozenset({
    ".amdgcn", ".best_config", ".cpp", ".cu", ".h", ".json", ".llir", ".ptx", ".py", ".source",
    ".ttgir", ".ttir",
})  # fmt: skip
BINARIES = frozenset({".cubin", ".hsaco", ".o", ".so"})  # all of these are ELF, those for GPUs too

ELF = b"\x7fELF"

NAMED = re.compile(r"(inductor|triton)/\w{1,200}(/[\w.\-]{1,200}){0,6}", re.ASCII)
NAMELESS = re.compile(r"inductor/(fxgraph|aotautograd)(/[a-z0-9]{1,200}){2,3}")
"""Pickled graphs of inductor's."""


def variables(work: Path) -> dict[str, str]:
    """Return the environment that makes compilers use the copy in `work`."""
    names = {"TORCHINDUCTOR_CACHE_DIR": "inductor", "TRITON_CACHE_DIR": "triton"}
    return {name: str(work / FOLDER / folder) for name, folder in names.items()}


def code_of(notebook: Path) -> str:
    """Return a digest of the editable code without the constants' values; caches are kept by it."""
    text = notebook.read_text(encoding="utf-8")
    try:
        return TrainNotebook(*parse_cells(text)).structure()
    except EditError:  # not Python: nothing else has the same code
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def lend(cache: Path, code: str, work: Path) -> None:
    """Copy the files that a run of this code may have into `work`."""
    (work / FOLDER).mkdir(exist_ok=True)  # importing torch may have made it
    if not cache.is_dir():  # a file in its place is reported when something is to be kept
        return
    if sum(entry.status.st_size for entry in _files(cache)) > MAX_BYTES:
        remove_tree(cache)
    for known in _known(cache, code):
        _copy(known, work / FOLDER)


def take_back(cache: Path, code: str, work: Path, *, scored: bool) -> CacheUse:
    """Add what a `scored` run of this code has compiled to the cache; return how it used the cache.

    The run's processes are gone.
    """
    known = {entry.path for folder in _known(cache, code) for entry in _files(folder)}
    lent, made, kept = 0, 0, dict[str, int]()
    for entry in _files(work / FOLDER):
        if entry.path in known:
            lent += 1
        else:
            made += 1
            if _may_be_compiled(entry):
                kept[entry.path] = entry.status.st_size
    if not scored or sum(kept.values()) > RUN_BYTES:
        kept = {}
    if kept:
        _copy(work / FOLDER, cache / code, kept)
        if not (cache / FIRST_FILE).exists():
            write_atomic(cache / FIRST_FILE, code.encode())
    return CacheUse(lent=lent, made=made, kept=len(kept))


def _known(cache: Path, code: str) -> list[Path]:
    """Return the folders of the cache that runs of this code may see."""
    first = cache / FIRST_FILE
    codes = [first.read_text(), code] if first.exists() else [code]
    return [cache / name for name in dict.fromkeys(codes)]  # once, where both are the same


def _may_be_compiled(entry: Entry) -> bool:
    """Return whether a compiler may have written this file."""
    if entry.status.st_size > FILE_BYTES:
        return False
    if NAMELESS.fullmatch(entry.path):
        return True
    suffix = Path(entry.name).suffix
    if not NAMED.fullmatch(entry.path) or suffix not in TEXTS | BINARIES:
        return False
    data = _read(entry)
    if suffix in BINARIES:
        return data.startswith(ELF)
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False


def _copy(source: Path, target: Path, names: Container[str] | None = None) -> None:
    """Copy files that the target lacks (all, or those of these names), each whole or not at all."""
    for entry in _files(source):
        copy = target / entry.path
        if (names is None or entry.path in names) and not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            # of this thread: another may keep the same file; `write_atomic` syncs each to the disk
            part = copy.with_name(f".{os.getpid()}-{threading.get_ident()}.part")
            try:
                part.write_bytes(_read(entry))
                part.replace(copy)
            finally:
                part.unlink(missing_ok=True)


def _read(entry: Entry) -> bytes:
    with plain_file(entry.name, entry.folder) as file:
        return file.read(FILE_BYTES)


def _files(folder: Path) -> Iterator[Entry]:
    """Yield the plain files of a folder; none if there is no folder."""
    try:
        yield from (entry for entry in entries(folder) if entry.is_plain)
    except FileNotFoundError:
        return
