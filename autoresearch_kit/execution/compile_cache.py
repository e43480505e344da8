"""What `torch.compile` has compiled, kept from run to run. A run works on a copy of its own."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

MAX_BYTES = 512 * 1024**2
"""A cache that has grown beyond this is dropped and starts again."""

FOLDER = "cache"
"""In the work folder."""


def variables(work: Path) -> dict[str, str]:
    """The environment that makes compilers use the copy in `work`."""
    names = {"TORCHINDUCTOR_CACHE_DIR": "inductor", "TRITON_CACHE_DIR": "triton"}
    return {name: str(work / FOLDER / folder) for name, folder in names.items()}


def lend(cache: Path, work: Path) -> None:
    """Copies the cache into `work`."""
    (work / FOLDER).mkdir()
    if cache.is_dir() and sum(size for _, size in _files(cache)) > MAX_BYTES:
        shutil.rmtree(cache)
    _copy(cache, work / FOLDER)


def take_back(cache: Path, work: Path) -> None:
    """Adds to the cache what a run that ended well has compiled."""
    if sum(size for _, size in _files(work / FOLDER)) <= MAX_BYTES:
        _copy(work / FOLDER, cache)


def _copy(source: Path, target: Path) -> None:
    """Plain files that the target doesn't have, each there in whole or not at all."""
    for path, _ in _files(source):
        copy = target / path.relative_to(source)
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            part = copy.with_name(f".{copy.name}.{os.getpid()}.part")
            shutil.copy(path, part, follow_symlinks=False)
            part.replace(copy)


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    """Plain files and their sizes; links are left out, for unreviewed code may have laid them."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                yield path, status.st_size
