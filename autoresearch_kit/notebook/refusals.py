"""Code that a notebook can't have, found by reading it: each piece, and what it imports.

Refused are names that no cell defines, seeds that don't come from SEED, and code kept in text.
Code written to evade the check can pass. Its gain is still compared with the noise like any other,
and a string counts as much code as its length.
"""

import ast
from collections.abc import Iterator, Sequence

from pyflakes.checker import Checker
from pyflakes.messages import UndefinedName

from autoresearch_kit.notebook.cells import Cell
from autoresearch_kit.notebook.constant_seeds import find_constant_seeds
from autoresearch_kit.notebook.syntax import Problem, nodes_of, own_tree, parse_cell, syntax_problem

FROM_JUPYTER = frozenset({"display", "get_ipython", "In", "Out", "_", "exit", "quit"})
"""Names that every kernel defines."""

RUNS_TEXT = frozenset({
    "__builtins__", "__import__", "builtins", "codeop", "compile", "eval", "exec", "marshal",
    "runpy",
})  # fmt: skip
"""Names that run text as code. `torch.compile` and `model.eval` are attributes, and allowed."""

READS_TEXT = frozenset({"In", "_i", "_ih", "get_ipython", "getcomments", "getdoc", "getsource"})
"""Names by which a program reads its own cells: comments and docstrings count as no code."""

LEADS_THERE = frozenset({
    "__builtins__", "__code__", "__doc__", "__globals__", "__import__", "__subclasses__",
})  # fmt: skip
"""Attributes that lead to one of those; refused as strings too."""

HIDDEN = "runs, or reads, code that is kept in text; write the code itself into the cell"


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
        parse_cell(cell.name, cell.source)
        tree = own_tree(cell.name, cell.source)  # lines are shifted, and pyflakes writes into it
        program.body += ast.increment_lineno(tree, len(origins)).body
        origins += [(cell.name, line) for line, _ in enumerate(cell.source.splitlines(), 1)]
    problems = []
    for message in Checker(program, filename="notebook").messages:
        if isinstance(message, UndefinedName) and message.message_args[0] not in FROM_JUPYTER:
            name = str(message.message_args[0])
            way_out = "define or import it in an editable cell before it is used"
            why = f"no cell defines {name!r}; {way_out}"
            cell_name, line = origins[message.lineno - 1]
            problems.append(Problem(cell_name, line, name, why))
    return problems


def find_refusals(cells: Sequence[Cell]) -> list[Problem]:
    """Return what is refused in the editable cells, read as one program, in their order.

    Raises:
        EditError: an editable cell has a syntax error.
    """
    trees = {cell.name: parse_cell(cell.name, cell.source) for cell in cells if cell.editable}
    why = {id(node): reason for node, reason in find_constant_seeds([*trees.values()])}
    why |= {id(node): HIDDEN for tree in trees.values() for node in _hidden_code(tree)}
    return [
        Problem(name, node.lineno, code, f"{code[:80]} {why[id(node)]}")
        for name, tree in trees.items()
        for node in nodes_of(tree)
        if id(node) in why and isinstance(node, ast.expr | ast.stmt | ast.alias)
        for code in [ast.unparse(node)]
    ]


def _hidden_code(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes that run text as code, or read text that counts as no code."""
    for node in nodes_of(tree):
        match node:
            case ast.Name(id=name) if name in RUNS_TEXT | READS_TEXT | LEADS_THERE:
                yield node
            case ast.Attribute(attr=name) if name in READS_TEXT | LEADS_THERE:
                yield node
            case ast.Constant(value=str(name)) if name in LEADS_THERE:
                yield node
            case ast.alias(name=name) if name in RUNS_TEXT | READS_TEXT:
                yield node
            case ast.ImportFrom(module=str(name)) if name in RUNS_TEXT:
                yield node


def imported_modules(cells: Sequence[Cell]) -> list[str]:
    """Return the top-level modules that code cells import, in any statement.

    A cell that is not Python, such as one with magic, is left out.
    """
    modules = set[str]()
    for cell in cells:
        if cell.markdown or syntax_problem(cell.name, cell.source):
            continue
        for node in ast.walk(parse_cell(cell.name, cell.source)):
            if isinstance(node, ast.Import):
                modules.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    return sorted(modules)
