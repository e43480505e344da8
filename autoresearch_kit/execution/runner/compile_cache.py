"""What `torch.compile` has compiled, kept from run to run. A run works on a copy of its own.

Unreviewed code wrote it, and a later run will load it: so it is a way to hand on weights, and to
spoil the runs of others. Therefore:

- It is kept by code. A run gets what runs of the same code, the constants' values aside, have
  compiled, and what the campaign's first code has, the baseline: a person wrote that. What an
  edit leaves there can reach no run of other code.
- Only files that look like a compiler's are kept, each and together of limited size, and only of
  a run that got a score.

What this does not stop: code that hides what it learnt inside such files finds it again when the
same code runs once more.
"""

import hashlib
import os
import re
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

MAX_BYTES = 512 * MEGABYTE
"""A cache that has grown beyond this is dropped and starts again."""

RUN_BYTES = 128 * MEGABYTE
"""Of a run that compiled more, nothing is kept: one compilation makes 4 to 40 MB."""

FILE_BYTES = 4 * MEGABYTE
"""Of a single file; compiled kernels have some 100 KB."""

FOLDER = "cache"
"""In the work folder."""

FIRST_FILE = "first"
"""Names the code that the cache began with."""

TEXTS = frozenset({
    ".amdgcn", ".best_config", ".cpp", ".cu", ".h", ".json", ".llir", ".ptx", ".py", ".source",
    ".ttgir", ".ttir",
})  # fmt: skip
BINARIES = frozenset({".cubin", ".hsaco", ".o", ".so"})
"""All of them ELF, also those for GPUs."""

ELF = b"\x7fELF"

NAMED = re.compile(r"(inductor|triton)/\w{1,200}(/[\w.\-]{1,200}){0,6}", re.ASCII)
NAMELESS = re.compile(r"inductor/(fxgraph|aotautograd)(/[a-z0-9]{1,200}){2,3}")
"""Where inductor puts the graphs that it has seen, pickled."""


def variables(work: Path) -> dict[str, str]:
    """The environment that makes compilers use the copy in `work`."""
    names = {"TORCHINDUCTOR_CACHE_DIR": "inductor", "TRITON_CACHE_DIR": "triton"}
    return {name: str(work / FOLDER / folder) for name, folder in names.items()}


def code_of(notebook: Path) -> str:
    """What a cache is kept by: a digest of the editable code, the constants' values left out."""
    text = notebook.read_text(encoding="utf-8")
    try:
        return TrainNotebook(*parse_cells(text)).structure()
    except EditError:  # not Python: of a kind with nothing else
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def lend(cache: Path, code: str, work: Path) -> None:
    """Copies what runs of this code may have into `work`."""
    (work / FOLDER).mkdir(exist_ok=True)  # importing torch may have made it
    if not cache.is_dir():  # whatever is in its place is told of when something is to be kept
        return
    if sum(entry.status.st_size for entry in _files(cache)) > MAX_BYTES:
        remove_tree(cache)
    for known in _known(cache, code):
        _copy(known, work / FOLDER)


def take_back(cache: Path, code: str, work: Path, *, scored: bool) -> CacheUse:
    """Tells what a run of this code had from the cache and added to its copy.

    What a run that was `scored` has compiled is added to the cache. Its processes are gone.
    """
    known = {entry.path for folder in _known(cache, code) for entry in _files(folder)}
    lent, made, kept = 0, 0, dict[str, int]()
    for entry in _files(work / FOLDER):
        if entry.path in known:
            lent += 1
        else:
            made += 1
            if _is_artefact(entry):
                kept[entry.path] = entry.status.st_size
    if not scored or sum(kept.values()) > RUN_BYTES:
        kept = {}
    if kept:
        _copy(work / FOLDER, cache / code, kept)
        if not (cache / FIRST_FILE).exists():
            write_atomic(cache / FIRST_FILE, code.encode())
    return CacheUse(lent=lent, made=made, kept=len(kept))


def _known(cache: Path, code: str) -> list[Path]:
    """The folders of the cache that runs of this code may see."""
    first = cache / FIRST_FILE
    codes = [first.read_text(), code] if first.exists() else [code]
    return [cache / name for name in dict.fromkeys(codes)]


def _is_artefact(entry: Entry) -> bool:
    """Whether a compiler may have written this file."""
    if entry.status.st_size > FILE_BYTES:
        return False
    if NAMELESS.fullmatch(entry.path):
        return True
    suffix = Path(entry.name).suffix
    if not NAMED.fullmatch(entry.path) or suffix not in TEXTS | BINARIES:
        return False
    data = _read(entry)
    return data.startswith(ELF) if suffix in BINARIES else _is_text(data)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in data


def _copy(source: Path, target: Path, names: Container[str] | None = None) -> None:
    """Copy files, of these names or all, that the target has not; each is there whole or not."""
    for entry in _files(source):
        copy = target / entry.path
        if (names is None or entry.path in names) and not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            part = copy.with_name(f".{os.getpid()}.part")
            try:
                part.write_bytes(_read(entry))
                part.replace(copy)
            finally:
                part.unlink(missing_ok=True)


def _read(entry: Entry) -> bytes:
    with plain_file(entry.name, entry.folder) as file:
        return file.read(FILE_BYTES)


def _files(folder: Path) -> Iterator[Entry]:
    """Plain files; none where there is no folder. Unreviewed code may have laid all else there."""
    try:
        yield from (entry for entry in entries(folder) if entry.is_plain)
    except FileNotFoundError:
        return
