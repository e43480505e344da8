"""Folders beside installed packages, for copies of modules as other programs bring them."""

import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path


def folders(name: str) -> list[Path]:
    """Return where to make them; `name` begins with `bundled`."""
    return [Path(prefix, name) for prefix in (sys.prefix, sysconfig.get_path("purelib"))]


def empty(folder: Path) -> None:
    """Remove what a folder holds; it stays, since a sandbox that starts may be about to hide it."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def leftovers() -> Iterator[Path]:
    """Yield the folders that tests have made."""
    for pattern in folders("bundled*"):
        yield from pattern.parent.glob(pattern.name)
