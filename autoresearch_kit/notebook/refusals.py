"""Code that no editable cell may have: seeds that don't come from SEED, and code kept in text.

Both are found by reading, so code written to evade the check can pass. Its gain is still compared
with the noise like any other, and a string counts as much code as its length.
"""

import ast
from collections.abc import Iterator, Sequence

from autoresearch_kit.notebook.cells import Cell
from autoresearch_kit.notebook.constant_seeds import find_constant_seeds
from autoresearch_kit.notebook.syntax import Problem, parse_cell

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
        for node in ast.walk(tree)
        if isinstance(node, ast.expr | ast.stmt | ast.alias) and id(node) in why
        for code in [ast.unparse(node)]
    ]


def _hidden_code(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes that run text as code, or read text that counts as no code."""
    for node in ast.walk(tree):
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
