"""The requirements for a training notebook, and for each that is not met, how to meet it.

The cells `parameters`, `setup` and `submit` are locked; `config` and at least one more are
editable and stand between `setup` and `submit`. A campaign can begin with such a notebook and
trusts its locked cells. `content_problems` also reads the source of the cells, and asks for what a
kind of task needs.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from autoresearch_kit.errors import EditError
from autoresearch_kit.notebook.cells import EDITABLE, LOCKED, Cell, is_word
from autoresearch_kit.notebook.constants import constant_specs
from autoresearch_kit.notebook.refusals import find_refusals, undefined_names
from autoresearch_kit.notebook.syntax import syntax_problem

CONFIG, PARAMETERS, SETUP, SUBMIT = "config", "parameters", "setup", "submit"
NEEDED_LOCKED = (PARAMETERS, SETUP, SUBMIT)
MAX_SOURCE_BYTES = 200_000


@dataclass(frozen=True)
class Call:
    """A call that a cell must have, or where none is named any editable cell, and why."""

    cell: str
    name: str
    why: str


@dataclass(frozen=True)
class Needs:
    """The requirements that a kind of task has of its notebooks.

    `parameters` are the values that papermill sets, in a new cell after the one that is tagged
    `parameters`, and what to write there.
    """

    parameters: Mapping[str, str]
    calls: tuple[Call, ...]


PARAMETERS_FOR_ALL = MappingProxyType({"SEED": "0", "TRAIN_SECONDS": "300.0"})


def structural_problems(cells: Sequence[Cell]) -> Iterator[str]:
    """Yield each problem with the names, tags and order of the cells."""
    yield from _naming_problems(cells)
    missing = [name for name in NEEDED_LOCKED if not _has(cells, name, LOCKED)]
    for name in missing:
        yield f"no locked cell {name!r}; it needs a code cell of that name, tagged {LOCKED!r}"
    if not _has(cells, CONFIG, EDITABLE):
        yield f"no editable cell {CONFIG!r}; it needs one, tagged {EDITABLE!r}, for the constants"
    if not any(cell.editable and cell.name != CONFIG for cell in cells):
        yield f"{CONFIG!r} is the only editable cell; tag one more {EDITABLE!r}, like 'model'"
    for cell in cells:
        if not cell.markdown and cell.editable == cell.locked:
            yield f"cell {cell.name!r} must be tagged either {EDITABLE!r} or {LOCKED!r}"
    if not missing:
        yield from _order_problems(cells)


def content_problems(needs: Needs, cells: Sequence[Cell]) -> Iterator[str]:
    """Yield each problem with the source of the cells; a code cell without tag is editable."""
    editable = [cell for cell in cells if not cell.markdown and not cell.locked]
    for cell in cells:
        if cell.name == PARAMETERS:
            yield from _parameter_problems(cell, needs.parameters)
    for call in needs.calls:
        callers = [cell for cell in cells if cell.name == call.cell] if call.cell else editable
        # A search, since the source may hold magic and not parse.
        pattern = re.compile(rf"^[^#\n]*\b{re.escape(call.name)}\(", re.MULTILINE)
        if callers and not any(pattern.search(cell.source) for cell in callers):
            subject = f"cell {call.cell!r} does not call" if call.cell else "no editable cell calls"
            yield f"{subject} {call.name}(), which {call.why}"
    if problem := size_problem(cells):
        yield problem
    if syntax := list(filter(None, (syntax_problem(cell.name, cell.source) for cell in editable))):
        yield from syntax
        return
    for cell in editable:
        if cell.name == CONFIG:
            yield from _config_problems(cell.source)
    yield from map(str, [*undefined_names(cells), *find_refusals(cells)])


def size_problem(cells: Sequence[Cell]) -> str:
    """Return that there is too much source to send to a model, or '' if there is not."""
    size = sum(len(cell.source.encode(errors="replace")) for cell in cells)
    if size <= MAX_SOURCE_BYTES:
        return ""
    return f"the notebook's source is {size:,} bytes; at most {MAX_SOURCE_BYTES:,}: shorten it"


def _naming_problems(cells: Sequence[Cell]) -> Iterator[str]:
    for position, cell in enumerate(cells, 1):
        start = cell.source.strip().partition("\n")[0][:40]
        where = f"cell {position} (it starts {start!r})"
        if not cell.name:
            yield f'{where} has no name; give it a word as "name" in its metadata'
        elif not is_word(cell.name):
            yield f"{where} is named {cell.name!r}; a name is one word, like 'model'"
    names = [cell.name for cell in cells if cell.name]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"two cells are named {name!r}; give one of them another name"


def _has(cells: Sequence[Cell], name: str, tag: str) -> bool:
    return any(c.name == name and not c.markdown and tag in c.tags for c in cells)


def _order_problems(cells: Sequence[Cell]) -> Iterator[str]:
    positions = {cell.name: position for position, cell in enumerate(cells)}
    if not positions[PARAMETERS] < positions[SETUP] < positions[SUBMIT]:
        yield "the cells 'parameters', 'setup' and 'submit' must stand in this order"
        return
    for position, cell in enumerate(cells):
        if cell.editable and not positions[SETUP] < position < positions[SUBMIT]:
            yield f"editable cell {cell.name!r} must stand between 'setup' and 'submit'; move it"


def _parameter_problems(cell: Cell, parameters: Mapping[str, str]) -> Iterator[str]:
    if PARAMETERS not in cell.tags:
        yield (
            f"cell {PARAMETERS!r} must be tagged {PARAMETERS!r} too: papermill writes the "
            "campaign's values after the cell with that tag"
        )
    missing = [
        name
        for name in parameters
        if not re.search(rf"^{name}\b[^=\n]*=(?!=)", cell.source, re.MULTILINE)
    ]
    if missing:
        lines = "; ".join(f"{name} = {value}" for name, value in parameters.items())
        yield (
            f"cell {PARAMETERS!r} gives no value to {', '.join(missing)}; write there: {lines}, "
            "each on its line"
        )


def _config_problems(source: str) -> Iterator[str]:
    try:
        specs = constant_specs(source)
    except EditError as error:
        yield str(error)
        return
    if not specs:
        yield (
            f"cell {CONFIG!r} has no constants in CAPITALS, which a search could change; write "
            "one a line, such as: RATE = 0.03  # learning rate; 0.001..1 log"
        )
