"""Names that a notebook uses and no cell defines, found before a run finds them."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyflakes.checker import Checker
from pyflakes.messages import UndefinedName

from autoresearch_kit.notebook.cells import Cell
from autoresearch_kit.notebook.syntax import parse_cell

OF_JUPYTER = frozenset({"display", "get_ipython", "In", "Out", "exit", "quit"})
"""Names that a kernel has without any cell's doing."""


@dataclass(frozen=True)
class Undefined:
    """A name, and where it is used."""

    name: str
    cell: str
    line: int


def undefined_names(cells: Sequence[Cell]) -> list[Undefined]:
    """What pyflakes finds undefined in the code cells, read as one program in their order.

    Raises:
        EditError: a cell has a syntax error.
    """
    code = [cell for cell in cells if not cell.markdown]
    tree = parse_cell("notebook", "\n".join(cell.source for cell in code))
    found = [
        (message.message_args[0], message.lineno)
        for message in Checker(tree, filename="notebook").messages
        if isinstance(message, UndefinedName) and message.message_args[0] not in OF_JUPYTER
    ]
    return [_placed(str(name), line, code) for name, line in found]


def _placed(name: str, line: int, cells: Sequence[Cell]) -> Undefined:
    for cell in cells:
        lines = cell.source.count("\n") + 1
        if line <= lines:
            return Undefined(name, cell.name, line)
        line -= lines
    return Undefined(name, cells[-1].name, line)
