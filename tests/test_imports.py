"""The package's parts import downward only, and the campaign process stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import autoresearch_kit

PACKAGE = Path(autoresearch_kit.__file__).parent

LAYERS = (
    {"errors"},
    {"records"},
    {"files", "verdicts"},
    {"ledger", "machine", "notebook"},
    {"tasks"},
    {"execution"},
    {"researchers"},
    {"reports"},
    {"campaign", "training"},
    {"studies"},
    {"ui"},
)
"""From the ground up. A part imports from lower rows, and from its own row but for cycles."""

CONTROL = (
    "autoresearch_kit.ui.cli",
    "autoresearch_kit.campaign.detached",
    "autoresearch_kit.researchers.optuna",
)


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def row_of(part: str) -> int:
    return next(row for row, parts in enumerate(LAYERS) if part in parts)


def imported_parts(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "autoresearch_kit":
            found |= {alias.name for alias in node.names if (PACKAGE / alias.name).exists()}
            found |= {a.name for a in node.names if (PACKAGE / f"{a.name}.py").exists()}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "autoresearch_kit."
        ):
            found.add((node.module or "").split(".")[1])
    return found - {part_of(path)}


MODULES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem != "__init__"
)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downward(path: Path) -> None:
    upward = {part for part in imported_parts(path) if row_of(part) > row_of(part_of(path))}
    assert not upward


def test_there_are_no_cycles() -> None:
    edges: dict[str, set[str]] = {}
    for path in MODULES:
        edges.setdefault(part_of(path), set()).update(imported_parts(path))
    while edges:
        leaves = {part for part, targets in edges.items() if not targets & edges.keys()}
        assert leaves, f"a cycle among {sorted(edges)}"
        edges = {part: targets for part, targets in edges.items() if part not in leaves}


@pytest.mark.parametrize("module", CONTROL)
def test_the_control_process_never_loads_torch(module: str) -> None:
    code = f"import sys, {module}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("module", CONTROL)
def test_the_control_process_stays_under_250_mb(module: str) -> None:
    # ru_maxrss would do, but on Linux a child begins with its parent's
    code = f"import psutil, {module}; print(psutil.Process().memory_info().rss)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 250e6
