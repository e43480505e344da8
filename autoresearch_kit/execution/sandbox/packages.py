"""Which installed distributions a run sees: what the kit needs, and what its notebook imports."""

import importlib.metadata
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import Distribution
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

NEEDED = (
    "cloudpickle", "filelock", "gitpython", "httpx2", "huggingface-hub", "ipykernel", "ipywidgets",
    "jupyterlab", "matplotlib", "msgspec", "nbconvert", "nbformat", "numpy", "nvidia-ml-py",
    "openai", "optuna", "packaging", "pandas", "papermill", "platformdirs", "psutil", "pyarrow",
    "pyflakes", "rich", "rustbpe", "scipy", "tiktoken", "torch", "tqdm", "typer",
)  # fmt: skip
"""The kit's own requirements: a notebook may import them, and few others are installed with it."""

UNUSED = frozenset({"jedi", "parso"})
"""For completion by hand only: what they hold of the standard library, in type stubs and a parser
made of lib2to3's, is scored text."""

SITE_FOLDERS = ("site-packages", "dist-packages")

METADATA = (".dist-info", ".egg-info")
"""Folders of what an installed distribution says of itself: seen of all of them."""

Installed = Mapping[str, tuple[Path, Distribution]]
"""Distributions by their names, with the folder that each lies in."""


def site_folders() -> list[Path]:
    """Return the folders of installed packages that this Python imports from."""
    paths = [*sys.path, sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    found = (Path(path) for path in paths if Path(path).name in SITE_FOLDERS)
    return [path for path in dict.fromkeys(found) if path.is_dir()]


def shown(imports: Iterable[str] = ()) -> set[Path]:
    """Return the files and folders that belong to what a run sees.

    `imports` are top-level modules that its notebook imports beside.
    """
    known = installed()
    names = {*NEEDED, *_distributions(imports)}
    paths = {
        known[name][0] / entry
        for name in closure(names) - UNUSED
        for entry in _entries(known[name][1])
    }
    by_hand = {name for module in imports for name in (module, f"{module}.py")}
    return paths | {folder / name for folder in site_folders() for name in by_hand}


def closure(names: Iterable[str]) -> set[str]:
    """Return the distributions of these names, and all that they need, as far as they are here."""
    done = set[tuple[str, frozenset[str]]]()
    waiting = [(name, frozenset[str]()) for name in names]
    while waiting:
        asked = waiting.pop()
        if asked not in done and asked[0] in installed():
            done.add(asked)
            waiting += _needs(installed()[asked[0]][1], ["", *asked[1]])
    return {name for name, _ in done}


@cache
def installed() -> Installed:
    """Return what is installed; of two with a name, the one that is imported."""
    found: dict[str, tuple[Path, Distribution]] = {}
    for folder in site_folders():
        for path in folder.iterdir():
            if path.suffix in METADATA:
                name = canonicalize_name(path.stem.partition("-")[0])
                found.setdefault(name, (folder, importlib.metadata.PathDistribution(path)))
    return found


def _distributions(imports: Iterable[str]) -> Iterator[str]:
    """Yield the distributions that hold these top-level modules."""
    modules = frozenset(imports)
    if modules:
        for name, (_, one) in installed().items():
            if modules & {entry.partition(".")[0] for entry in _entries(one)}:
                yield name


def _needs(one: Distribution, extras: Iterable[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield what a distribution needs here with these extras, and the extras that it asks for."""
    for line in _requirements(one):
        try:
            needed = Requirement(line)
        except InvalidRequirement:  # of before PEP 508: nothing of today needs such
            continue
        marker = needed.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
            yield canonicalize_name(needed.name), frozenset(needed.extras)


def _requirements(one: Distribution) -> list[str]:
    """Return what a distribution asks for; parsing all that it says takes ten times as long."""
    said = one.read_text("METADATA")
    if said is None:
        return one.requires or []
    head = said.partition("\n\n")[0].splitlines()
    return [line.partition(":")[2] for line in head if line.startswith("Requires-Dist:")]


def _entries(one: Distribution) -> set[str]:
    """Return a distribution's names in its site folder; Debian's packages have no RECORD."""
    recorded = one.read_text("RECORD")
    if recorded is None:
        name = one.metadata["Name"] or ""
        names = (one.read_text("top_level.txt") or name.replace("-", "_")).split()
        return {*names, *(f"{name}.py" for name in names)}
    lines = recorded.splitlines()
    entries = {line.partition("/")[0].partition(",")[0].strip('"') for line in lines}
    return entries - {"", "..", "__pycache__"}
