"""The CAPITAL constants of the `config` cell: find them, read their ranges, and set them.

A constant stands on a line of its own: `NAME = literal  # description; lo..hi log`. Its range
follows the last ';' of the comment at the end of the line: `lo..hi`, `lo..hi log`,
`one of a, b, c`, or `fixed`. Without a range, a search derives one from the value.
"""

import ast
import io
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from autoresearch_kit.errors import EditError
from autoresearch_kit.notebook.syntax import KEPT, parse_cell
from autoresearch_kit.records import Constant

_CAPITALS = re.compile(r"[A-Z][A-Z0-9_]*")
_COMMENT = re.compile(r"\s*#\s*(.*?)\s*")
_SPAN = re.compile(r"(\S+?)\s*\.\.\s*(\S+)(\s+log)?")
_NUMBER = r"-?\d*\.?\d+(e-?\d+)?"
_OTHER_SPAN = re.compile(rf"{_NUMBER}\s*(-|to)\s*{_NUMBER}(\s+log)?")
_OPTIONS = re.compile(r"one\s+of\s+(.+)")


@dataclass(frozen=True)
class Span:
    """All numbers from `low` to `high`, both included; `log`: searched by factors, not steps."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class OneOf:
    """A choice among these values."""

    options: tuple[Constant, ...]


@dataclass(frozen=True)
class Fixed:
    """No search may change the constant."""


Range = Span | OneOf | Fixed


@dataclass(frozen=True)
class ConstantSpec:
    """A constant of `config` with its comment; `range` is None where the comment has none."""

    name: str
    value: Constant
    comment: str
    range: Range | None


@dataclass(frozen=True)
class _Assignment:
    """A statement that gives a CAPITAL name a literal value; `node` is the literal's."""

    statement: ast.Assign | ast.AnnAssign
    name: str
    node: ast.expr
    value: Constant


@lru_cache(maxsize=KEPT)
def without_values(tree: ast.Module) -> ast.Module:
    """Return a copy of a config cell's tree, each constant's value replaced by its type's name."""
    copy = ast.parse(ast.unparse(tree))
    for assignment in _assignments(copy):
        assignment.statement.value = ast.Name(type(assignment.value).__name__, ast.Load())
    return copy


def constant_specs(source: str) -> dict[str, ConstantSpec]:
    """Return the constants of a config cell's source, by name, in the order of their lines.

    Raises:
        EditError: the source has a syntax error, or a range is misspelt; it names the constant.
    """
    lines = _lines(source)
    return {name: _spec(constant, lines) for name, constant in _constants(source).items()}


def constant_values(source: str) -> dict[str, Constant]:
    """Return the values of the constants of a config cell's source, by name.

    Raises:
        EditError: the source has a syntax error.
    """
    return {name: constant.value for name, constant in _constants(source).items()}


def constant_lines(source: str) -> dict[str, str]:
    """Return the line of each constant of a config cell's source, by name, in their order.

    Raises:
        EditError: the source has a syntax error.
    """
    lines = source.split("\n")
    return {name: lines[c.node.lineno - 1] for name, c in _constants(source).items()}


def set_constants(source: str, values: Mapping[str, Constant]) -> str:
    """Return `source` with the literals of these constants changed, and nothing else.

    Raises:
        EditError: there is no such constant, or the value is not of the constant's type.
    """
    constants = _constants(source)
    if unknown := [name for name in values if name not in constants]:
        known = ", ".join(constants) or "none"
        raise EditError(f"no constant {unknown[0]!r} in config; there are: {known}")
    changed = {constants[name].node: _of_type(constants[name], values[name]) for name in values}
    return replaced(source, {node: _written(value) for node, value in changed.items()})


def replaced(source: str, texts: Mapping[ast.expr, str]) -> str:
    """Return `source` with these texts in place of expressions in it, each within a line."""
    lines = _lines(source)
    # backwards, so that a change does not shift what is still to be changed
    for node in sorted(texts, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        line, text = lines[node.lineno - 1], texts[node].encode()
        lines[node.lineno - 1] = line[: node.col_offset] + text + line[node.end_col_offset :]
    return b"".join(lines).decode()


def _constants(source: str) -> dict[str, _Assignment]:
    """Return the last assignment of each constant, by name, in the order of the source."""
    last = {a.name: a for a in _assignments(parse_cell("config", source))}
    return dict(sorted(last.items(), key=lambda c: (c[1].node.lineno, c[1].node.col_offset)))


def _assignments(tree: ast.Module) -> Iterator[_Assignment]:
    for statement in tree.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=node)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as node)
            ):
                value = _literal(node)
                one_line = node.lineno == node.end_lineno
                if value is not None and one_line and _CAPITALS.fullmatch(name):
                    yield _Assignment(statement, name, node, value)


def _literal(node: ast.expr) -> Constant | None:
    """Return the value of a bool, a number or a string; None for any other expression."""
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=bool())):
            return None
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return value
    return None


def _lines(source: str) -> list[bytes]:
    """Return the lines as `ast` counts them (str.splitlines knows more ends), in bytes as well."""
    return [line.encode() for line in io.StringIO(source, newline="")]


def _of_type(constant: _Assignment, value: Constant) -> Constant:
    """Return `value` in the type of the constant, where that loses nothing."""
    old = constant.value
    if isinstance(old, float) and isinstance(value, int | float) and not isinstance(value, bool):
        if math.isfinite(value):
            return float(value)
    elif type(old) is int and isinstance(value, float) and value.is_integer():
        return int(value)
    elif type(old) is type(value):
        return value
    kind = type(old).__name__
    raise EditError(f"{constant.name} = {old!r} is of type {kind}; {value!r} can't take its place")


def _written(value: Constant) -> str:
    """Return the literal as a formatter leaves it: strings in double quotes."""
    text = repr(value)
    return f'"{text[1:-1]}"' if text.startswith("'") and '"' not in text else text


def _spec(constant: _Assignment, lines: list[bytes]) -> ConstantSpec:
    node, value = constant.node, constant.value
    match = _COMMENT.fullmatch(lines[node.lineno - 1][node.end_col_offset :].decode())
    comment = match[1] if match else ""
    _, semicolon, text = comment.rpartition(";")
    try:
        values = _range(text.strip(), value) if semicolon else None
    except ValueError as error:
        kind = type(value).__name__
        raise EditError(
            f"config: the range of {constant.name} = {value!r}, '{text.strip()}', is not one of "
            f"{kind}; write 'lo..hi', 'lo..hi log' with lo above 0, 'one of a, b' or 'fixed' after "
            "the comment's last ';'"
        ) from error
    return ConstantSpec(constant.name, value, comment, values)


def _range(text: str, value: Constant) -> Range | None:
    """Return the range in `text`, or None where it is just prose.

    Raises:
        ValueError: the range is misspelt, empty, endless, or not of the constant's type.
    """
    if text == "fixed":
        return Fixed()
    if match := _OPTIONS.fullmatch(text):
        options = (_option(option.strip(), value) for option in match[1].split(","))
        return OneOf(tuple(dict.fromkeys(options)))
    if _OTHER_SPAN.fullmatch(text):
        raise ValueError(text)
    if ".." not in text or "..." in text:
        return None
    match = _SPAN.fullmatch(text)
    if not match or isinstance(value, bool | str):
        raise ValueError(text)
    span = Span(float(match[1]), float(match[2]), log=bool(match[3]))
    whole = isinstance(value, float) or (span.low.is_integer() and span.high.is_integer())
    finite = math.isfinite(span.low) and math.isfinite(span.high)
    if not (whole and finite and span.low < span.high) or (span.log and span.low <= 0):
        raise ValueError(text)
    return span


def _option(text: str, value: Constant) -> Constant:
    try:
        option: Constant = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        option = text  # a string without quotes
    if isinstance(value, float) and type(option) is int:
        option = float(option)
    if type(option) is not type(value):
        raise ValueError(text)
    return option
