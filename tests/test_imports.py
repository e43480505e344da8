"""Packages import downward only, and the campaign process stays light."""

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
"""From the lowest up. A package imports from lower rows, and from its own row but for cycles."""

ROWS = {package: row for row, packages in enumerate(LAYERS) for package in packages}

CONTROL = (
    "autoresearch_kit.ui.cli",
    "autoresearch_kit.campaign.detached",
    "autoresearch_kit.researchers.optuna",
)


def imported_packages(path: Path) -> set[str]:
    packages: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "autoresearch_kit":
            packages |= {alias.name for alias in node.names} & ROWS.keys()
        elif isinstance(node, ast.ImportFrom) and node.module:
            parts = node.module.split(".")
            packages |= {parts[1]} if parts[0] == "autoresearch_kit" else set()
    return packages


ARROWS = [
    (path.relative_to(PACKAGE), path.relative_to(PACKAGE).parts[0].removesuffix(".py"), package)
    for path in sorted(PACKAGE.rglob("*.py"))
    for package in imported_packages(path)
    if path.parent != PACKAGE or path.stem != "__init__"
]
"""Each module, its package, and a package that it imports from."""


def test_imports_run_downward() -> None:
    assert not [(str(path), package) for path, own, package in ARROWS if ROWS[package] > ROWS[own]]


def test_there_are_no_cycles() -> None:
    order = TopologicalSorter[str]()
    for _, own, package in ARROWS:
        if own != package:
            order.add(own, package)
    order.prepare()  # raises CycleError


@pytest.mark.parametrize("module", CONTROL)
def test_the_control_process_loads_no_torch_and_stays_small(module: str) -> None:
    # ru_maxrss would do, but on Linux a child begins with its parent's
    code = f"import psutil, sys, {module}; print(psutil.Process().memory_info().rss)"
    argv = [sys.executable, "-c", f"{code}; sys.exit('torch' in sys.modules)"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 250e6
