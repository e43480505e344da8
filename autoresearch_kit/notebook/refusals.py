"""Code that no editable cell may have: seeds that don't come from SEED, and code kept in text.

Both are found by reading, so code that is written to slip through can. What then seems a gain is
held against the noise like any other, and a string counts as so much code as its characters make.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autoresearch_kit.notebook.cells import Cell
from autoresearch_kit.notebook.constant_seeds import find_constant_seeds
from autoresearch_kit.notebook.syntax import parse_cell

RUNS_TEXT = frozenset({
    "__builtins__", "__import__", "builtins", "codeop", "compile", "eval", "exec", "marshal",
    "runpy",
})  # fmt: skip
"""Names that run text as code. `torch.compile` and `model.eval` are attributes: allowed."""

READS_TEXT = frozenset({"In", "_i", "_ih", "get_ipython", "getcomments", "getdoc", "getsource"})
"""Names by which a program reads its own cells: comments and docstrings count as no code."""

LEADS_THERE = frozenset({
    "__builtins__", "__code__", "__doc__", "__globals__", "__import__", "__subclasses__",
})  # fmt: skip
"""Attributes that lead to one of those; refused as strings too."""

HIDDEN = "runs, or reads, code that is kept in text; write the code itself into the cell"


@dataclass(frozen=True)
class Refusal:
    """A piece of code that is refused, where it stands, and why."""

    cell: str
    line: int
    code: str
    why: str

    def __str__(self) -> str:
        return f"cell {self.cell!r}, line {self.line}: {self.code[:80]} {self.why}"


def find_refusals(cells: Sequence[Cell]) -> list[Refusal]:
    """Return what is refused in the editable cells, read as one program, in their order.

    Raises:
        EditError: an editable cell has a syntax error.
    """
    trees = {cell.name: parse_cell(cell.name, cell.source) for cell in cells if cell.editable}
    why = {id(node): why for node, why in find_constant_seeds([*trees.values()])}
    why |= {id(node): HIDDEN for tree in trees.values() for node in _hidden_code(tree)}
    return [
        Refusal(name, node.lineno, ast.unparse(node), why[id(node)])
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.expr | ast.stmt | ast.alias) and id(node) in why
    ]


def _hidden_code(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield what runs text as code, or reads text that counts as no code."""
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
