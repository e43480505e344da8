"""Names that a notebook uses and no cell defines, and modules that it imports, without a run."""

import ast
from collections.abc import Iterator, Sequence

from pyflakes.checker import Checker
from pyflakes.messages import UndefinedName

from autoresearch_kit.notebook.cells import Cell
from autoresearch_kit.notebook.syntax import Problem, parse_cell, syntax_problem

FROM_JUPYTER = frozenset({"display", "get_ipython", "In", "Out", "_", "exit", "quit"})
"""Names that every kernel defines."""


def undefined_names(cells: Sequence[Cell]) -> list[Problem]:
    """Return what pyflakes finds undefined in the code cells, read as one program in their order.

    The list is empty where a locked cell holds magic, which may define anything.

    Raises:
        EditError: an editable cell has a syntax error.
    """
    program, origins = ast.Module(body=[], type_ignores=[]), list[tuple[str, int]]()
    for cell in cells:
        if cell.markdown:
            continue
        if cell.locked and syntax_problem(cell.name, cell.source):
            return []
        # Each cell is parsed alone, as a kernel does: each may import from __future__.
        tree = parse_cell(cell.name, cell.source)
        program.body += ast.increment_lineno(tree, len(origins)).body
        origins += [(cell.name, line) for line, _ in enumerate(cell.source.splitlines(), 1)]
    messages = Checker(program, filename="notebook").messages
    undefined = [
        (str(message.message_args[0]), *origins[message.lineno - 1])
        for message in messages
        if isinstance(message, UndefinedName) and message.message_args[0] not in FROM_JUPYTER
    ]
    way_out = "define or import it in an editable cell before it is used"
    return [
        Problem(cell, line, name, f"no cell defines {name!r}; {way_out}")
        for name, cell, line in undefined
    ]


def imported_modules(cells: Sequence[Cell]) -> list[str]:
    """Return the top-level modules that code cells import, in any statement.

    A cell that is not Python, such as one with magic, is left out.
    """
    modules = set[str]()
    for cell in cells:
        if not cell.markdown and not syntax_problem(cell.name, cell.source):
            modules.update(_imports(parse_cell(cell.name, cell.source)))
    return sorted(modules)


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
