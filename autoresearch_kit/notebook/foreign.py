"""Read a notebook that was written for something else: what its cells seem to be for.

All of it is guesswork, offered to a person as defaults.
"""

import ast
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_kit.errors import InputError
from autoresearch_kit.notebook.cells import Cell, is_word
from autoresearch_kit.notebook.constants import constant_lines
from autoresearch_kit.notebook.syntax import nodes_of, parse_cell, syntax_problem

READERS = re.compile(r"(read|load|fetch|open|from)(_?\w+)?|genfromtxt|loadtxt", re.IGNORECASE)
"""Matches names of functions that read data."""

TRAINERS = frozenset({"backward", "fit", "fit_transform", "partial_fit", "step", "train_step"})
"""Names of methods that train."""

HANDED_OVER = (
    frozenset({"classify", "decide", "forecast", "policy", "predict"}),
    frozenset({"classifier", "clf", "model", "net", "network", "pipeline", "regressor"}),
)
"""Names that are likely to be handed over, the likeliest first; of as likely ones, the latest."""

RESERVED = ("parameters", "setup", "submit", "config", "data")
"""Names of cells that only a conversion gives."""

KIT_CONSTANTS = ("SEED", "TRAIN_SECONDS")  # constants that the `parameters` cell sets

_JUPYTER = re.compile(r"^[ \t]*[%!].*\n?", re.MULTILINE)
_NOT_IN_WORDS = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True)
class Guess:
    """The likely parts of a notebook: names of cells, empty where there is none, and of a variable.

    `constants` are those in CAPITALS of each cell, by the cell's name.
    """

    data: str
    config: str
    handed_over: str
    constants: dict[str, tuple[str, ...]]


def named_cells(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Return the cells as they are, with names for those of code; those of markdown have none.

    A name is the cell's own, `imports`, the heading before it, or what the cell defines. Lines for
    Jupyter, such as `%matplotlib inline`, and cells without code are left out.

    Raises:
        InputError: a cell is not Python; the message names it.
    """
    named, taken, heading = list[Cell](), set(RESERVED), ""
    for position, cell in enumerate(cells, start=1):
        if cell.markdown:
            named.append(replace(cell, name=""))
            heading = next(iter(re.findall(r"^#+\s*(.+)$", cell.source, re.MULTILINE)), "")
            continue
        source = _without_jupyter(cell).strip("\n")
        if not source.strip():
            continue
        if problem := syntax_problem(f"{position}", source):
            raise InputError(f"{problem}; mend that first")
        first = len(taken) == len(RESERVED)
        words = _words(cell, source, heading, first=first)
        name = next(word for word in words if word not in taken)
        taken.add(name)
        named.append(replace(cell, name=name, source=source, tags=()))
        heading = ""
    return tuple(named)


def guess(cells: Sequence[Cell], files: Collection[str]) -> Guess:
    """Return what the code cells, all named, are likely to be; `files` are names of data files."""
    code = [cell for cell in cells if not cell.markdown]
    constants = {cell.name: tuple(constant_lines(cell.source)) for cell in code}
    only_constants = [cell.name for cell in code if _is_config(cell)]
    handed_over = _likely(defined_names(code))
    data = next((cell.name for cell in code if _reads(cell, files)), "")
    return Guess(
        data,
        max(only_constants, key=lambda name: len(constants[name]), default=""),
        handed_over,
        {name: found for name, found in constants.items() if found},
    )


def likely_editable(cells: Sequence[Cell], data: str, handed_over: str) -> tuple[str, ...]:
    """Return the names of the code cells up to the last that trains or defines what is handed over.

    The cell named `data` is left out.
    """
    code = [cell for cell in cells if not cell.markdown]
    making = [
        at
        for at, cell in enumerate(code)
        if handed_over in defined_names([cell]) or _trains(cell) or _is_config(cell)
    ]
    last = max(making, default=len(code) - 1)
    return tuple(cell.name for cell in code[: last + 1] if cell.name != data)


def defined_names(cells: Sequence[Cell]) -> list[str]:
    """Return the variables, functions and classes that cells define outside of any function."""
    names: list[str] = []
    for cell in cells:
        for statement in parse_cell(cell.name, cell.source).body:
            match statement:
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    names.append(name)
                case ast.Assign(targets=targets):
                    names += [node.id for target in targets for node in _stored(target)]
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
                    names.append(name)
    return names


def file_strings(cell: Cell, files: Collection[str]) -> list[ast.Constant]:
    """Return the strings of a cell that name one of these files, by path or by its last part."""
    names = {Path(name).name for name in files}
    tree = parse_cell(cell.name, cell.source)
    within = {
        id(part)
        for node in nodes_of(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
    }
    return [
        node
        for node in nodes_of(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in within
        and Path(node.value).name in names
    ]


def _without_jupyter(cell: Cell) -> str:
    """Return the source without lines for Jupyter, if it is not Python with them."""
    whole_cell = cell.source.lstrip().startswith("%%")
    if whole_cell or not syntax_problem("cell", cell.source):
        return cell.source
    return _JUPYTER.sub("", cell.source)


def _words(cell: Cell, source: str, heading: str, *, first: bool) -> Iterator[str]:
    """Yield names for a cell, the best first, without end; `first`: no code comes before."""
    body = parse_cell("cell", source).body
    imports = first and isinstance(body[0], ast.Import | ast.ImportFrom)
    defined = [node.name for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    defined += defined_names([replace(cell, source=source)])
    found = [cell.name, "imports" if imports else "", heading, *defined, "cell"]
    words = [_NOT_IN_WORDS.sub("-", each).strip("-").lower()[:40] for each in found]
    good = [word for word in words if is_word(word)]
    yield from good[:1]
    number = 2
    while True:
        yield f"{good[0]}-{number}"
        number += 1


def _is_config(cell: Cell) -> bool:
    body = parse_cell(cell.name, cell.source).body
    return bool(body) and len(constant_lines(cell.source)) == len(body)


def _reads(cell: Cell, files: Collection[str]) -> bool:
    if file_strings(cell, files):
        return True
    calls = [
        node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        for node in nodes_of(parse_cell(cell.name, cell.source))
        if isinstance(node, ast.Call)
    ]
    return any(READERS.fullmatch(name) for name in calls)


def _trains(cell: Cell) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr in TRAINERS
        for node in nodes_of(parse_cell(cell.name, cell.source))
    )


def _likely(names: Sequence[str]) -> str:
    known = [[name for name in names if name in group] for group in HANDED_OVER]
    found = next(filter(None, known), list(names))
    return found[-1] if found else ""


def _stored(target: ast.expr) -> Iterator[ast.Name]:
    yield from (node for node in ast.walk(target) if isinstance(node, ast.Name))
