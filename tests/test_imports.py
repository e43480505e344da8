"""The package's rooms import downward only, and the campaign process stays light."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import autoresearch_kit

PACKAGE = Path(autoresearch_kit.__file__).parent

LAYERS = (
    {"errors"},
    {"records"},
    {"files", "verdicts"},
    {"ledger", "machine", "measuring", "notebook"},
    {"tasks"},
    {"execution"},
    {"researchers"},
    {"reports"},
    {"campaign", "training"},
    {"studies"},
    {"ui"},
)
"""From the ground up. A room imports from lower rows, and from its own row but for cycles."""

ROWS = {room: row for row, rooms in enumerate(LAYERS) for room in rooms}

CONTROL = (
    "autoresearch_kit.ui.cli",
    "autoresearch_kit.campaign.detached",
    "autoresearch_kit.researchers.optuna",
)


def imported_rooms(path: Path) -> set[str]:
    rooms: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "autoresearch_kit":
            rooms |= {alias.name for alias in node.names} & ROWS.keys()
        elif isinstance(node, ast.ImportFrom) and node.module:
            parts = node.module.split(".")
            rooms |= {parts[1]} if parts[0] == "autoresearch_kit" else set()
    return rooms


ARROWS = [
    (path.relative_to(PACKAGE), path.relative_to(PACKAGE).parts[0].removesuffix(".py"), room)
    for path in sorted(PACKAGE.rglob("*.py"))
    for room in imported_rooms(path)
    if path.parent != PACKAGE or path.stem != "__init__"
]
"""Each module, its room, and a room that it imports from."""


def test_imports_run_downward() -> None:
    assert not [(str(path), room) for path, own, room in ARROWS if ROWS[room] > ROWS[own]]


def test_there_are_no_cycles() -> None:
    order = TopologicalSorter[str]()
    for _, own, room in ARROWS:
        if own != room:
            order.add(own, room)
    order.prepare()  # raises CycleError


@pytest.mark.parametrize("module", CONTROL)
def test_the_control_process_loads_no_torch_and_stays_small(module: str) -> None:
    # ru_maxrss would do, but on Linux a child begins with its parent's
    code = f"import psutil, sys, {module}; print(psutil.Process().memory_info().rss)"
    argv = [sys.executable, "-c", f"{code}; sys.exit('torch' in sys.modules)"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 250e6
