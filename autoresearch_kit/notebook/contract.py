"""What makes a notebook a training notebook, and what one lacks, each with the way to mend it.

The cells `parameters`, `setup` and `submit` are locked; `config` and at least one more are
editable, and stand between `setup` and `submit`. A campaign needs no more than that to begin, and
its locked cells are trusted. `content_problems` looks also at what the cells say.
"""

import re
from collections.abc import Iterator, Sequence

from autoresearch_kit.errors import EditError
from autoresearch_kit.notebook.cells import EDITABLE, LOCKED, Cell, CellKind
from autoresearch_kit.notebook.constants import constant_values, range_problems
from autoresearch_kit.notebook.names import undefined_names
from autoresearch_kit.notebook.refusals import find_refusals
from autoresearch_kit.notebook.syntax import parse_cell

CONFIG, PARAMETERS, SETUP, SUBMIT = "config", "parameters", "setup", "submit"
NEEDED_LOCKED = (PARAMETERS, SETUP, SUBMIT)
MAX_SOURCE_BYTES = 200_000

PARAMETER_NAMES = ("SEED", "TRAIN_SECONDS", "DATASET")
"""What papermill sets, in a cell of its own after the one that is tagged `parameters`."""

START, STEPS, BATCHES, HAND_OVER = "kernel.start", "run.steps", "run.batches", "run.submit"
"""What has to be called."""


def structural_problems(cells: Sequence[Cell]) -> Iterator[str]:
    """What keeps these cells from being a training notebook, by their names, tags and order."""
    names = [cell.name for cell in cells if cell.name]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"two cells are named {name!r}; give one of them another name"
    missing = [name for name in NEEDED_LOCKED if not _has(cells, name, LOCKED)]
    for name in missing:
        yield f"no locked cell {name!r}; it needs a code cell of that name, tagged {LOCKED!r}"
    if not _has(cells, CONFIG, EDITABLE):
        yield f"no editable cell {CONFIG!r}; it needs one, tagged {EDITABLE!r}, for the constants"
    if not any(cell.editable and cell.name != CONFIG for cell in cells):
        yield f"{CONFIG!r} is the only editable cell; tag one more {EDITABLE!r}, like 'model'"
    yield from _wrong_tags(cells)
    if not missing:
        yield from _wrong_places(cells)


def content_problems(cells: Sequence[Cell]) -> Iterator[str]:
    """What is wrong inside the cells; what has no tag counts as editable."""
    for cell in cells:
        yield from _CONTENTS.get(cell.name, _nothing)(cell)
    editable = [cell for cell in cells if cell.kind is CellKind.CODE and not cell.locked]
    for called, example, why in _IN_EDITABLE:
        if not any(calls(cell.source, called) for cell in editable):
            yield f"no editable cell calls {called}(), {why}; write there: {example}"
    if problem := size_problem(cells):
        yield problem
    syntax = [problem for cell in editable if (problem := _syntax_problem(cell))]
    yield from syntax or map(str, [*undefined_names(cells), *find_refusals(cells)])


def size_problem(cells: Sequence[Cell]) -> str:
    """That there is too much source to send to a model; '' if there is not."""
    size = sum(len(cell.source.encode(errors="replace")) for cell in cells)
    if size <= MAX_SOURCE_BYTES:
        return ""
    return f"the notebook's source is {size:,} bytes; at most {MAX_SOURCE_BYTES:,}: shorten it"


def calls(source: str, called: str) -> bool:
    """Whether a line of the source calls this; the source may hold magic, so it is not parsed."""
    return re.search(rf"^[^#\n]*\b{re.escape(called)}\(", source, re.MULTILINE) is not None


def assigns(source: str, name: str) -> bool:
    """Whether a line of the source gives the variable a value."""
    return re.search(rf"^{name}\b[^=\n]*=(?!=)", source, re.MULTILINE) is not None


def _has(cells: Sequence[Cell], name: str, tag: str) -> bool:
    return any(c.name == name and c.kind is CellKind.CODE and tag in c.tags for c in cells)


def _wrong_tags(cells: Sequence[Cell]) -> Iterator[str]:
    for cell in cells:
        if cell.kind is CellKind.CODE and cell.editable == cell.locked:
            yield f"cell {cell.name!r} must be tagged either {EDITABLE!r} or {LOCKED!r}"


def _wrong_places(cells: Sequence[Cell]) -> Iterator[str]:
    places = {cell.name: at for at, cell in enumerate(cells)}
    if not places[PARAMETERS] < places[SETUP] < places[SUBMIT]:
        yield "the cells 'parameters', 'setup' and 'submit' must stand in this order"
        return
    for at, cell in enumerate(cells):
        if cell.editable and not places[SETUP] < at < places[SUBMIT]:
            yield f"editable cell {cell.name!r} must stand between 'setup' and 'submit'; move it"


def _parameters(cell: Cell) -> Iterator[str]:
    if PARAMETERS not in cell.tags:
        yield (
            f"cell {PARAMETERS!r} must be tagged {PARAMETERS!r} too: after the cell with that tag "
            "papermill writes the campaign's values"
        )
    lacking = [name for name in PARAMETER_NAMES if not assigns(cell.source, name)]
    if lacking:
        yield (
            f"cell {PARAMETERS!r} gives no value to {', '.join(lacking)}; write there: "
            'SEED = 0; TRAIN_SECONDS = 300.0; DATASET = "stdlib", each on its line'
        )


def _setup(cell: Cell) -> Iterator[str]:
    if not calls(cell.source, START):
        yield (
            f"cell {SETUP!r} does not call {START}(), which starts the budget and brings the data; "
            "write there: from autoresearch_kit.training import kernel, and "
            "run = kernel.start(DATASET, TRAIN_SECONDS, SEED)"
        )


def _submit(cell: Cell) -> Iterator[str]:
    if not calls(cell.source, HAND_OVER):
        yield (
            f"cell {SUBMIT!r} does not call {HAND_OVER}(), which hands the model over to be "
            "scored; write there: run.submit(model)"
        )


def _config(cell: Cell) -> Iterator[str]:
    if _syntax_problem(cell):  # which is said as of any cell
        return
    yield from range_problems(cell.source)
    if not constant_values(cell.source):
        yield (
            f"cell {CONFIG!r} has no constants in CAPITALS, which a search could turn; write "
            "one a line, such as: RATE = 0.03  # learning rate; 0.001..1 log"
        )


def _nothing(_cell: Cell) -> Iterator[str]:
    yield from ()


_CONTENTS = {PARAMETERS: _parameters, SETUP: _setup, CONFIG: _config, SUBMIT: _submit}

_IN_EDITABLE = (
    (STEPS, "for step in run.steps():", "which ends the training with its budget"),
    (BATCHES, "batches = run.batches(BATCH_SIZE)", "and a run has no other data"),
)


def _syntax_problem(cell: Cell) -> str:
    try:
        parse_cell(cell.name, cell.source)
    except EditError as error:
        return str(error)
    return ""
