"""Syntax trees of Python source: whether it parses, how much code there is, and equal code.

Comments, docstrings, layout and the way a number is written are not code.
"""

import ast
import hashlib
import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from autoresearch_kit.errors import EditError

NODE_CHARACTERS = 4
"""Characters of code for each syntax-tree node: 4.4 in the shipped notebook, without spaces."""

KEPT = 64
"""Cells whose trees, and what was read off them, are kept: most edits change one cell of a
notebook, and an experiment asks a dozen times for each."""

_SHELL = ("%", "!", "?")


@dataclass(frozen=True)
class Problem:
    """A piece of code that a notebook must not have, and where it stands; `why` is a sentence."""

    cell: str
    line: int
    code: str
    why: str

    def __str__(self) -> str:
        return f"cell {self.cell!r}, line {self.line}: {self.why}"


@lru_cache(maxsize=KEPT)
def parse_cell(name: str, source: str) -> ast.Module:
    """Return the syntax tree of a cell's source. Others get the same tree: it must not be changed.

    Raises:
        EditError: it is not Python that compiles; the message names cell and line.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes and the like run all the same
            tree = ast.parse(source, filename=name)
            compile(tree, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        ast.unparse(tree)  # fails on some trees that compile; `digest` needs it
    except SyntaxError as error:
        raise EditError(_explain(name, source, error)) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise EditError(f"cell {name!r} is not Python: {error or 'nested too deeply'}") from error
    return tree


@lru_cache(maxsize=KEPT)
def nodes_of(tree: ast.Module) -> tuple[ast.AST, ...]:
    """Return all nodes of a cell's tree, which must not be changed."""
    return tuple(ast.walk(tree))


def own_tree(name: str, source: str) -> ast.Module:
    """Return a tree as `parse_cell` does, for the caller alone; the source must compile."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source, filename=name)


def syntax_problem(name: str, source: str) -> str:
    """Return why a cell's source is not Python, or '' if it is."""
    try:
        parse_cell(name, source)
    except EditError as error:
        return str(error)
    return ""


def _explain(name: str, source: str, error: SyntaxError) -> str:
    lines = source.splitlines()
    number = error.lineno or 1
    line = lines[number - 1].strip() if number <= len(lines) else ""
    if line.startswith(_SHELL) or "= !" in line or "= %" in line:
        problem = "shell and magic lines are not allowed"
    else:
        problem = error.msg
    return f"cell {name!r}, line {number}: {problem}: {line[:80]}"


def count_nodes(trees: Iterable[ast.Module]) -> int:
    """Count the syntax-tree nodes; a negative number is one, a docstring is none.

    A long text or number counts as the nodes that code of its length would have, so that code
    hidden in it is no less code.
    """
    return sum(map(_count_all, trees))


@lru_cache(maxsize=KEPT)
def _count_all(tree: ast.Module) -> int:
    return sum(_count(node) for node in ast.walk(_without_prose(tree)))


def _count(node: ast.AST) -> int:
    match node:
        case ast.Module() | ast.expr_context() | ast.USub():
            return 0
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant()):
            return 0
        case ast.Constant(value=str() | bytes() as text):
            return max(1, math.ceil(len(text) / NODE_CHARACTERS))
        case ast.Constant(value=int() as number):
            return max(1, math.ceil(number.bit_length() / (8 * NODE_CHARACTERS)))
    return 1


def digest(trees: Iterable[ast.Module]) -> str:
    """Return 16 hex digits, equal for equal code, however it is spread over cells or commented."""
    return hashlib.sha256("\n".join(map(_code_of, trees)).encode()).hexdigest()[:16]


@lru_cache(maxsize=KEPT)
def _code_of(tree: ast.Module) -> str:
    return ast.unparse(_without_prose(tree))


def _without_prose(tree: ast.Module) -> ast.Module:
    """Return a copy of `tree` without docstrings and other strings that stand alone."""
    copy = ast.parse(ast.unparse(tree))
    copy.body = _code(copy.body)
    for node in ast.walk(copy):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            node.body = _code(node.body) or [ast.Pass()]
    return copy


def _code(body: list[ast.stmt]) -> list[ast.stmt]:
    values = [node.value if isinstance(node, ast.Expr) else node for node in body]
    prose = [isinstance(v, ast.Constant) and isinstance(v.value, str) for v in values]
    return [statement for statement, is_prose in zip(body, prose, strict=True) if not is_prose]
