"""The CAPITAL constants of the `config` cell: found, read with their ranges, and set.

A constant stands on a line of its own: `NAME = literal  # what it is; lo..hi log`. The range is
what follows the last ';' of the trailing comment: `lo..hi`, `lo..hi log`, `one of a, b, c`, or
`fixed`. Without one, whoever searches derives a range from the value.
"""

import ast
import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from autoresearch_kit.errors import EditError
from autoresearch_kit.notebook.syntax import parse_cell
from autoresearch_kit.records import Constant

_CAPITALS = re.compile(r"[A-Z][A-Z0-9_]*")
_COMMENT = re.compile(r"\s*#\s*(.*?)\s*")
_SPAN = re.compile(r"(\S+?)\s*\.\.\s*(\S+)(\s+log)?")
_OPTIONS = re.compile(r"one\s+of\s+(.+)")


@dataclass(frozen=True)
class Span:
    """All numbers from `low` to `high`, both included; `log`: searched by factors, not steps."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class OneOf:
    """One of these values."""

    options: tuple[Constant, ...]


@dataclass(frozen=True)
class Fixed:
    """Never to be changed by a search."""


Range = Span | OneOf | Fixed


@dataclass(frozen=True)
class ConstantSpec:
    """A constant as its line in `config` says it; `range` is None where the comment has none."""

    name: str
    value: Constant
    comment: str
    range: Range | None


def without_values(tree: ast.Module) -> ast.Module:
    """A copy of a config cell's tree with the name of its type for each constant's value."""
    copy = ast.parse(ast.unparse(tree))
    for statement in copy.body:
        assigned = _assigned(statement)
        if assigned and isinstance(statement, ast.Assign | ast.AnnAssign):
            statement.value = ast.Name(type(_value(assigned[1])).__name__, ast.Load())
    return copy


def constant_specs(source: str) -> dict[str, ConstantSpec]:
    """The constants of a config cell's source, by name, in the order of their lines.

    Raises:
        EditError: the source has a syntax error, or a range is misspelt; it names the constant.
    """
    lines = _lines(source)
    return {name: _spec(name, node, lines) for name, node in _literals(source).items()}


def range_problems(source: str) -> list[str]:
    """What is misspelt in the ranges of a config cell's source: one sentence a constant.

    Raises:
        EditError: the source has a syntax error.
    """
    lines, problems = _lines(source), []
    for name, node in _literals(source).items():
        try:
            _spec(name, node, lines)
        except EditError as error:
            problems.append(str(error))
    return problems


def constant_values(source: str) -> dict[str, Constant]:
    """The values of the constants of a config cell's source, by name.

    Raises:
        EditError: the source has a syntax error.
    """
    return {name: _value(node) for name, node in _literals(source).items()}


def constant_lines(source: str) -> dict[str, str]:
    """The line of each constant of a config cell's source, by name, in their order.

    Raises:
        EditError: the source has a syntax error.
    """
    lines = source.split("\n")
    return {name: lines[node.lineno - 1] for name, node in _literals(source).items()}


def set_constants(source: str, values: Mapping[str, Constant]) -> str:
    """`source` with the literals of these constants changed, and nothing else.

    Raises:
        EditError: there is no such constant, or the value is not of the constant's type.
    """
    literals = _literals(source)
    lines = _lines(source)
    # From the end backwards: an earlier edit then moves no later one on the same line.
    for name, value in sorted(values.items(), key=lambda v: _place(literals, v[0]), reverse=True):
        node = literals[name]
        line = lines[node.lineno - 1].encode()
        literal = _written(_of_type(name, value, _value(node))).encode()
        line = line[: node.col_offset] + literal + line[node.end_col_offset :]
        lines[node.lineno - 1] = line.decode()
    return "".join(lines)


def _lines(source: str) -> list[str]:
    """Lines as Python counts them, with their ends; str.splitlines() knows more line breaks."""
    return list(io.StringIO(source, newline=""))


def _place(literals: Mapping[str, ast.expr], name: str) -> tuple[int, int]:
    if name not in literals:
        known = ", ".join(literals) or "none"
        raise EditError(f"no constant {name!r} in config; there are: {known}")
    return literals[name].lineno, literals[name].col_offset


def _of_type(name: str, value: Constant, old: Constant) -> Constant:
    """`value` in the type of `old`, where that loses nothing."""
    if isinstance(old, float) and isinstance(value, int | float) and not isinstance(value, bool):
        if math.isfinite(value):
            return float(value)
    elif type(old) is int and isinstance(value, float) and value.is_integer():
        return int(value)
    elif type(old) is type(value):
        return value
    raise EditError(f"{name} = {old!r} is a {type(old).__name__}; {value!r} can't take its place")


def _written(value: Constant) -> str:
    """The value as a formatter would leave it: strings in double quotes."""
    text = repr(value)
    return f'"{text[1:-1]}"' if text.startswith("'") and '"' not in text else text


def _literals(source: str) -> dict[str, ast.expr]:
    found: dict[str, ast.expr] = {}
    for statement in parse_cell("config", source).body:
        assigned = _assigned(statement)
        if assigned:
            found[assigned[0]] = assigned[1]
    return found


def _assigned(statement: ast.stmt) -> tuple[str, ast.expr] | None:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            pass
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            pass
        case _:
            return None
    if not _CAPITALS.fullmatch(name) or value.lineno != value.end_lineno or not _is_literal(value):
        return None
    return name, value


def _is_literal(node: ast.expr) -> bool:
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=bool())):
            return False
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float())):
            return True
        case ast.Constant(value=bool() | int() | float() | str()):
            return True
    return False


def _value(node: ast.expr) -> Constant:
    value = ast.literal_eval(node)
    assert isinstance(value, bool | int | float | str), value
    return value


def _spec(name: str, node: ast.expr, lines: list[str]) -> ConstantSpec:
    rest = lines[node.lineno - 1].encode()[node.end_col_offset :].decode()
    match = _COMMENT.fullmatch(rest)
    comment = match[1] if match else ""
    value = _value(node)
    _, semicolon, text = comment.rpartition(";")
    try:
        found = _range(text.strip(), value) if semicolon else None
    except ValueError as error:
        raise EditError(
            f"config: the range of {name} = {value!r}, '{text.strip()}', is {error}; write "
            "'lo..hi', 'lo..hi log', 'one of a, b' or 'fixed' after the comment's last ';'"
        ) from error
    return ConstantSpec(name, value, comment, found)


def _range(text: str, value: Constant) -> Range | None:
    """The range in `text`; None where it is just prose. ValueError says what is wrong with it."""
    if text == "fixed":
        return Fixed()
    if match := _OPTIONS.fullmatch(text):
        options = tuple(_option(option.strip(), value) for option in match[1].split(","))
        return OneOf(tuple(dict.fromkeys(options)))
    if ".." not in text or "..." in text:
        return None
    match = _SPAN.fullmatch(text)
    if not match:
        raise ValueError("not understood")
    return _span(float(match[1]), float(match[2]), log=bool(match[3]), value=value)


def _span(low: float, high: float, *, log: bool, value: Constant) -> Span:
    if isinstance(value, bool | str):
        raise ValueError(f"for numbers, not for a {type(value).__name__}")
    if isinstance(value, int) and not (low.is_integer() and high.is_integer()):
        raise ValueError("not in whole numbers, but the constant is an int")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError("empty or endless")
    if log and low <= 0:
        raise ValueError("logarithmic and not above 0")
    return Span(low, high, log)


def _option(text: str, value: Constant) -> Constant:
    try:
        option: Constant = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        option = text
    if isinstance(value, float) and type(option) is int:
        option = float(option)
    if type(option) is not type(value):
        raise ValueError(f"not all of type {type(value).__name__}, see {text!r}")
    return option
