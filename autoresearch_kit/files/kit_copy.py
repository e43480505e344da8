"""The copy of this package that a campaign keeps, and its digest."""

import compileall
import hashlib
import shutil
from pathlib import Path

from autoresearch_kit.errors import KitError, in_words

PACKAGE = Path(__file__).parents[1]


def copy_kit(source: Path, target: Path) -> None:
    """Copy the package at `source` into the new folder `target`, compiled.

    Raises:
        KitError: it can't be copied; there is no target then.
    """
    part = target.with_name(f"{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source, part / source.name, ignore=ignore, copy_function=_copy_file)
    compileall.compile_dir(part, ddir=target, quiet=1)  # a sandbox can't keep byte code
    part.rename(target)


def digest(kit: Path) -> str:
    """Return a short digest of the sources in a package's copy."""
    sources = hashlib.sha256()
    for path in sorted(kit.rglob("*.py")):
        sources.update(str(path.relative_to(kit)).encode() + path.read_bytes())
    return sources.hexdigest()[:12]


def _copy_file(source: str, target: str) -> str:
    """Copy a file for copytree, which would collect errors and lose what they are."""
    try:
        return str(shutil.copy2(source, target))
    except OSError as error:
        raise KitError(f"the package can't be copied: {in_words(error)}") from error
