"""Choose the installed distributions that a run sees: the kit needs them, or its notebook does."""

import importlib.metadata
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import Distribution
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from autoresearch_kit.errors import KitError

KIT = "autoresearch-kit"
KIT_EXTRAS = frozenset({"lab"})
"""A notebook may import all that the kit requires, and Jupyter; few others come with these."""

UNUSED = frozenset({"jedi", "parso"})
"""Needed for completion by hand only. Their type stubs, and a parser made from lib2to3's, contain
scored text of the standard library."""

SITE_FOLDERS = ("site-packages", "dist-packages")

METADATA = (".dist-info", ".egg-info")
"""Folders with a distribution's metadata; those of all distributions are shown."""

Installed = Mapping[str, tuple[Path, Distribution]]
"""Distributions by name, each with the folder in which it is installed."""


def site_folders() -> list[Path]:
    """Return the folders of installed packages that this Python imports from."""
    paths = [*sys.path, sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    folders = (Path(path) for path in paths if Path(path).name in SITE_FOLDERS)
    return [path for path in dict.fromkeys(folders) if path.is_dir()]


def shown(imports: Iterable[str] = ()) -> set[Path]:
    """Return the files and folders in site folders that a run sees.

    `imports` are the top-level modules that its notebook imports. The kit itself is not among the
    paths: a run sees the campaign's copy of it.

    Raises:
        KitError: the kit is imported from a folder without being installed.
    """
    known = installed()
    if KIT not in known:
        raise KitError(f"{KIT} is not installed in {sys.prefix}; install it: pip install -e .")
    names = required([(KIT, KIT_EXTRAS), *((name, frozenset()) for name in _holders(imports))])
    paths = {
        known[name][0] / entry
        for name in names - UNUSED - {KIT}
        for entry in _entries(known[name][1])
    }
    by_hand = {name for module in imports for name in (module, f"{module}.py")}
    return paths | {folder / name for folder in site_folders() for name in by_hand}


def required(asked: Iterable[tuple[str, frozenset[str]]]) -> set[str]:
    """Return these distributions (name, extras) and all that they require, if installed."""
    done = set[tuple[str, frozenset[str]]]()
    waiting = list(asked)
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) not in done and name in installed():
            done.add((name, extras))
            waiting += _requirements(installed()[name][1], extras)
    return {name for name, _ in done}


@cache
def installed() -> Installed:
    """Return the installed distributions; of two with one name, the one that is imported."""
    known: dict[str, tuple[Path, Distribution]] = {}
    for folder in site_folders():
        for path in folder.iterdir():
            if path.suffix in METADATA:
                name = canonicalize_name(path.stem.partition("-")[0])
                known.setdefault(name, (folder, importlib.metadata.PathDistribution(path)))
    return known


def _holders(imports: Iterable[str]) -> Iterator[str]:
    """Yield the distributions that contain these top-level modules."""
    modules = frozenset(imports)
    if modules:
        for name, (_, distribution) in installed().items():
            if modules & {entry.partition(".")[0] for entry in _entries(distribution)}:
                yield name


def _requirements(
    distribution: Distribution, extras: frozenset[str]
) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield what a distribution requires on this machine with these extras: names and extras."""
    for line in _requirement_lines(distribution):
        if not extras and "extra ==" in line:  # most of the lines: parsing them takes long
            continue
        try:
            needed = Requirement(line)
        except InvalidRequirement:  # older than PEP 508
            continue
        marker = needed.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield canonicalize_name(needed.name), frozenset(needed.extras)


def _requirement_lines(distribution: Distribution) -> list[str]:
    """Return a distribution's requirements; parsing all of its metadata takes ten times as long."""
    text = distribution.read_text("METADATA")
    if text is None:
        return distribution.requires or []
    head = text.partition("\n\n")[0].splitlines()
    return [line.partition(":")[2] for line in head if line.startswith("Requires-Dist:")]


def _entries(distribution: Distribution) -> set[str]:
    """Return a distribution's names in its site folder; Debian's packages have no RECORD."""
    recorded = distribution.read_text("RECORD")
    if recorded is None:
        name = distribution.metadata["Name"] or ""
        names = (distribution.read_text("top_level.txt") or name.replace("-", "_")).split()
        return {*names, *(f"{name}.py" for name in names)}
    lines = recorded.splitlines()
    entries = {line.partition("/")[0].partition(",")[0].strip('"') for line in lines}
    return entries - {"", "..", "__pycache__"}
