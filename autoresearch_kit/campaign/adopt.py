"""`adopt`: what the next campaign begins with, from a campaign's best or a notebook of one's own.

It becomes `notebooks/train.ipynb`. What is there is written over only where git can bring it back.
"""

import json
from dataclasses import replace
from pathlib import Path

from autoresearch_kit.errors import EditError, InputError
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.ledger import NOTEBOOK, Entry, History, repository
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.cells import (
    EDITABLE,
    LOCKED,
    Cell,
    CellKind,
    CellMetadata,
    NotebookCell,
    cell_of,
    naming_problem,
    read_notebook,
    read_text,
    source_of,
)
from autoresearch_kit.notebook.constants import constant_values
from autoresearch_kit.notebook.contract import (
    CONFIG,
    HAND_OVER,
    PARAMETERS,
    SETUP,
    START,
    STEPS,
    SUBMIT,
    assigns,
    calls,
    structural_problems,
)
from autoresearch_kit.notebook.syntax import parse_cell
from autoresearch_kit.tasks.lm.task import TASK

HOW_TO_NAME = (
    "Names and tags are cell metadata. In JupyterLab: select the cell, click the gears at the top "
    "right, and write them under Advanced Tools, Cell Metadata. Colab and plain editors can't; "
    f"there, copy {NOTEBOOK}, whose cells have them, and put your code into its cells."
)


def adopt_best(root: Path, tag: str, *, force: bool = False) -> Entry:
    """Write the best notebook of campaign `tag` to `notebooks/train.ipynb`; returns the best.

    Raises:
        InputError: the campaign has none, or what is there would be lost and `force` is not set.
    """
    ledger = History(root, tag)
    best = ledger.best()
    if best is None:
        raise InputError(f"campaign '{tag}' has no experiment yet; run it: autoresearch run {tag}")
    _write(root, ledger.source(best.experiment.number), force)
    return best


def adopt_file(root: Path, path: Path, *, force: bool = False) -> None:
    """Write the notebook at `path`, without outputs, to `notebooks/train.ipynb`.

    That file itself is only checked.

    Raises:
        InputError: it can't be a training notebook; the message has all that is to be mended. Or
            what is there would be lost and `force` is not set.
    """
    text = read_text(path)
    try:
        problems = find_problems(text)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if problems:
        raise InputError(_list(path, problems))
    if path.resolve() != (root / NOTEBOOK).resolve():
        _write(root, TrainNotebook.parse(text).text(), force)


def find_problems(text: str) -> list[str]:
    """All that keeps a notebook's JSON from being a training notebook, cell by cell.

    A cell without a name is looked at as if it had the name that is suggested for it.

    Raises:
        InputError: it is not a notebook of format 4.
    """
    unnamed: list[str] = []
    cells: list[Cell] = []
    raws = read_notebook(text).cells
    taken = {raw.metadata.name for raw in raws}
    for at, raw in enumerate(raws):
        problem = naming_problem(raw, at)
        if problem and raw.cell_type == CellKind.CODE:
            metadata = _suggestion(raw, at, taken)
            taken.add(metadata.name)
            problem += f", such as {json.dumps(vars(metadata))}"
            cells.append(cell_of(replace(raw, metadata=metadata)))
        elif not problem:
            cells.append(cell_of(raw))
        unnamed += [problem] if problem else []
    misplaced = unnamed + list(structural_problems(cells))
    advice = [HOW_TO_NAME] if misplaced else []
    return misplaced + list(TASK.notebook_problems(cells)) + advice


def _suggestion(raw: NotebookCell, at: int, taken: set[str]) -> CellMetadata:
    """A name and tags for a code cell, by what it does."""
    source = source_of(raw)
    name, tags = f"part-{at + 1}", raw.metadata.tags or (EDITABLE,)
    if calls(source, START):
        name, tags = SETUP, (LOCKED,)
    elif calls(source, HAND_OVER):
        name, tags = SUBMIT, (LOCKED,)
    elif assigns(source, "TRAIN_SECONDS"):
        name, tags = PARAMETERS, (PARAMETERS, LOCKED)
    elif calls(source, STEPS):
        name = "train"
    elif _holds_constants(source):
        name = CONFIG
    return CellMetadata(f"part-{at + 1}" if name in taken else name, tags)


def _holds_constants(source: str) -> bool:
    """Whether it is made of CAPITAL constants only."""
    try:
        return len(parse_cell(CONFIG, source).body) == len(constant_values(source)) > 0
    except EditError:
        return False


def _list(path: Path, problems: list[str]) -> str:
    lines = "".join(f"\n- {problem}" for problem in problems)
    return f"{path} can't be adopted yet:{lines}"


def _write(root: Path, text: str, force: bool) -> None:
    path = root / NOTEBOOK
    if not force and _would_be_lost(root, path):
        raise InputError(
            f"{NOTEBOOK} has changes that are in no commit, and they would be lost; keep them: "
            f"git add {NOTEBOOK} && git commit, or give them up: --force"
        )
    path.parent.mkdir(exist_ok=True)
    write_atomic(path, text.encode())


def _would_be_lost(root: Path, path: Path) -> bool:
    """Whether git could not bring back the notebook at `path`, its outputs aside."""
    if not path.exists():
        return False
    text = read_text(path)
    try:
        stripped = TrainNotebook.parse(text).text()
    except InputError:
        stripped = text
    return not any(repository.holds(root, NOTEBOOK, one) for one in (text, stripped))
