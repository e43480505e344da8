"""Names that a notebook uses and no cell defines, found before a run finds them."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from pyflakes.checker import Checker
from pyflakes.messages import UndefinedName

from autoresearch_kit.errors import EditError
from autoresearch_kit.notebook.cells import Cell
from autoresearch_kit.notebook.syntax import parse_cell

OF_JUPYTER = frozenset({"display", "get_ipython", "In", "Out", "_", "exit", "quit"})
"""Names that a kernel has without any cell's doing."""


@dataclass(frozen=True)
class Undefined:
    """A name, and where it is used."""

    name: str
    cell: str
    line: int

    def __str__(self) -> str:
        return (
            f"cell {self.cell!r}, line {self.line}: no cell defines {self.name!r}; define or "
            "import it in an editable cell before it is used"
        )


def undefined_names(cells: Sequence[Cell]) -> list[Undefined]:
    """What pyflakes finds undefined in the code cells, read as one program in their order.

    Nothing, where a locked cell holds magic: what that defines can't be known.

    Raises:
        EditError: an editable cell has a syntax error.
    """
    code = [cell for cell in cells if not cell.markdown]
    if any(cell.locked and not _is_python(cell) for cell in code):
        return []
    messages = Checker(_joined(code), filename="notebook").messages
    found = [
        (str(message.message_args[0]), message.lineno)
        for message in messages
        if isinstance(message, UndefinedName)
    ]
    return [_placed(name, line, code) for name, line in found if name not in OF_JUPYTER]


def imported_modules(cells: Sequence[Cell]) -> list[str]:
    """Return the top-level modules that code cells import, by whatever statement of theirs.

    Nothing of a cell that is not Python, such as one with magic.
    """
    found: set[str] = set()
    for cell in cells:
        if not cell.markdown and _is_python(cell):
            for node in ast.walk(parse_cell(cell.name, cell.source)):
                if isinstance(node, ast.Import):
                    found |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module.partition(".")[0])
    return sorted(found)


def _is_python(cell: Cell) -> bool:
    try:
        parse_cell(cell.name, cell.source)
    except EditError:
        return False
    return True


def _joined(cells: Sequence[Cell]) -> ast.Module:
    """One tree; each cell is parsed alone, as a kernel does, so that each may import __future__."""
    program, lines = ast.Module(body=[], type_ignores=[]), 0
    for cell in cells:
        tree = parse_cell(cell.name, cell.source)
        program.body += ast.increment_lineno(tree, lines).body
        lines += _count_lines(cell)
    return program


def _placed(name: str, line: int, cells: Sequence[Cell]) -> Undefined:
    for cell in cells[:-1]:
        if line <= _count_lines(cell):
            return Undefined(name, cell.name, line)
        line -= _count_lines(cell)
    return Undefined(name, cells[-1].name, line)


def _count_lines(cell: Cell) -> int:
    return cell.source.count("\n") + 1
