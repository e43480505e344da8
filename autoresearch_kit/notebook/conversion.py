"""Make a training notebook of one that was written for something else, as its owner says."""

import ast
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_kit.notebook.cells import EDITABLE, LOCKED, Cell, name_markdown
from autoresearch_kit.notebook.constant_seeds import CONSTANT, find_constant_seeds, seed_arguments
from autoresearch_kit.notebook.constants import constant_lines, replaced
from autoresearch_kit.notebook.contract import CONFIG, PARAMETERS, SETUP, SUBMIT
from autoresearch_kit.notebook.foreign import KIT_CONSTANTS, defined_names, file_strings
from autoresearch_kit.notebook.syntax import nodes_of, parse_cell

SETUP_SOURCE = """\
from autoresearch_kit.training import measured

run = measured.start(TRAIN_SECONDS, SEED)"""

DATA = "data"  # the name that the cell which reads the data gets


@dataclass(frozen=True)
class Answers:
    """A notebook's parts, as its owner names them; `data`, `config` and names may be empty.

    `constants` are moved to `config`. `handed_over` is a variable.
    """

    data: str
    config: str
    constants: tuple[str, ...]
    handed_over: str
    editable: tuple[str, ...]


def convert(
    cells: Sequence[Cell], answers: Answers, files: Collection[str], train_seconds: float
) -> tuple[Cell, ...]:
    """Return the cells of a training notebook; `files` are names of files in the task's `data/`.

    Cells that are neither editable nor of use for what is handed over come after the hand-over.
    """
    code = [cell for cell in cells if not cell.markdown]
    last = max(
        at
        for at, cell in enumerate(code)
        if cell.name in {*answers.editable, answers.data, answers.config}
        or answers.handed_over in defined_names([cell])
    )
    parameters = f"SEED = 0\nTRAIN_SECONDS = {train_seconds!r}"
    made = [
        Cell(PARAMETERS, parameters, tags=(PARAMETERS, LOCKED)),
        Cell(SETUP, SETUP_SOURCE, tags=(LOCKED,)),
    ]
    moved = _moved_lines(code, answers)
    if not answers.config:
        made.append(Cell(CONFIG, "\n".join(moved)))
    submit = Cell(SUBMIT, f"run.submit({answers.handed_over})", tags=(LOCKED,))
    for cell in cells:
        made.append(cell if cell.markdown else _converted(cell, answers, moved, files))
        if cell is code[last]:
            made.append(submit)
    return name_markdown([cell for cell in made if cell.source.strip()])


def constant_seeds(cells: Sequence[Cell]) -> list[tuple[str, str]]:
    """Return the editable cells' names with each of their calls that seed with a number."""
    return [(name, ast.unparse(call)) for name, calls in _seeding(cells) for call in calls]


def with_seed(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Return the cells with SEED in place of the numbers that editable cells seed with."""
    places: dict[str, dict[ast.expr, str]] = {
        name: {
            argument: "SEED"
            for call in calls
            for argument in seed_arguments(call)
            if isinstance(argument, ast.Constant)
        }
        for name, calls in _seeding(cells)
    }
    return tuple(
        replace(cell, source=replaced(cell.source, places.get(cell.name, {}))) for cell in cells
    )


def _converted(cell: Cell, answers: Answers, moved: Sequence[str], files: Collection[str]) -> Cell:
    source = _without_lines(cell.source, [*moved, *_kit_lines(cell)])
    tags = (EDITABLE if cell.name in answers.editable else LOCKED,)
    if cell.name == answers.config:
        return Cell(CONFIG, "\n".join([source, *moved]).strip("\n"))
    if cell.name != answers.data:
        return replace(cell, source=source, tags=tags)
    strings = file_strings(replace(cell, source=source), files)
    from_data: dict[ast.expr, str] = {
        node: f'run.data / "{Path(str(node.value)).name}"' for node in strings
    }
    return Cell(DATA, replaced(source, from_data), tags=tags)


def _moved_lines(code: Sequence[Cell], answers: Answers) -> list[str]:
    """Return the lines of the constants that are moved to `config` from other cells."""
    lines = [
        line
        for cell in code
        if cell.name != answers.config
        for name, line in constant_lines(cell.source).items()
        if name in answers.constants
    ]
    return list(dict.fromkeys(lines))


def _kit_lines(cell: Cell) -> list[str]:
    """Return the lines that would replace what the kit's `parameters` cell sets."""
    lines = constant_lines(cell.source)
    return [lines[name] for name in KIT_CONSTANTS if name in lines]


def _without_lines(source: str, lines: Collection[str]) -> str:
    return "\n".join(line for line in source.split("\n") if line not in lines).strip("\n")


def _seeding(cells: Sequence[Cell]) -> list[tuple[str, list[ast.Call]]]:
    """Return the editable cells' names with their calls that seed with a number."""
    trees = {cell.name: parse_cell(cell.name, cell.source) for cell in cells if cell.editable}
    fixed = {
        id(node)
        for node, reason in find_constant_seeds([*trees.values()])
        if reason == CONSTANT and isinstance(node, ast.Call)
    }
    return [
        (
            name,
            [node for node in nodes_of(tree) if isinstance(node, ast.Call) and id(node) in fixed],
        )
        for name, tree in trees.items()
    ]
