"""Check a task's folder: all that is wrong with it, each with the way to mend it."""

import re
from collections.abc import Iterator
from pathlib import Path

from autoresearch_kit.errors import InputError
from autoresearch_kit.files.paths import overlap
from autoresearch_kit.notebook.cells import Cell, parse_cells, read_text
from autoresearch_kit.notebook.contract import structural_problems
from autoresearch_kit.notebook.syntax import parse_cell, syntax_problem
from autoresearch_kit.records import Task
from autoresearch_kit.tasks.measured import layout, task_file
from autoresearch_kit.tasks.measured.measure_notebook import measure_problems, unsafe_reads
from autoresearch_kit.tasks.measured.prepare import same_content, task_files
from autoresearch_kit.tasks.measured.task import MEASURED
from autoresearch_kit.tasks.measured.task_file import TaskFile

INFERENCE_SECONDS = "inference_seconds"

PATH = re.compile(r"[\w.-]*/[\w./-]*")
"""Matches the path of a program in a command, as far as no shell has to read it."""

HOW_TO_TAG = (
    "names and tags are cell metadata: in JupyterLab, select the cell, click the gears at the top "
    "right, and write them under Advanced Tools, Cell Metadata"
)


def check_task(root: Path, folder: str) -> None:
    """Check a task's folder in the project at `root`.

    Raises:
        InputError: something is wrong with it; the message says what, and how to mend it.
    """
    found = problems(root, folder)
    more = f" (and {len(found) - 1} more: autoresearch check {folder})" if len(found) > 1 else ""
    if found:
        raise InputError(f"{found[0]}{more}")


def problems(root: Path, folder: str) -> list[str]:
    """Return all that is wrong with a task's folder in the project at `root`, a line for each."""
    task_toml, found = task_file.examine(root, folder)
    if task_toml is None and not (root / folder / layout.TASK_FILE).exists():
        return found
    train = (f"{folder}/{layout.TRAIN_NOTEBOOK}: {each}" for each in _train(root / folder))
    found += [*train, *_files(root, folder)]
    measure = root / folder / layout.MEASURE_NOTEBOOK
    if task_toml is not None:
        found += [f"{folder}/{each}" for each in _measure(root / folder, task_toml)]
        found += [f"{folder}/{layout.TASK_FILE}: {each}" for each in _sees(root, task_toml)]
    elif measure.exists():  # it may be a command that measures
        found += [f"{folder}/{each}" for each in _notebook(measure, None)]
    return found


def _train(folder: Path) -> Iterator[str]:
    try:
        cells, _ = parse_cells(read_text(folder / layout.TRAIN_NOTEBOOK))
    except InputError as error:
        yield str(error)
        return
    structural = list(structural_problems(cells))
    yield from structural
    yield from MEASURED.notebook_problems(cells)
    if structural:
        yield HOW_TO_TAG


def _files(root: Path, folder: str) -> Iterator[str]:
    try:
        files = task_files(root, folder)
    except InputError as error:
        yield str(error)
        return
    for hidden, seen in same_content(files):
        yield f"{folder}/{hidden} is also in {seen}, which runs see; remove it from one of them"


def _sees(root: Path, task_toml: TaskFile) -> Iterator[str]:
    """Yield which paths training may not read, or could not under their names in task.toml."""
    for path in map(Path, task_toml.sees):
        if not path.exists():
            yield f"sees {path}, which is not on this machine; put it there, or take it out of sees"
        elif overlap(path.resolve(), root.resolve()):
            yield f"sees {path}, and the project with all that is hidden is {root}; take it out"
        elif path.resolve() != path:
            real = path.resolve()
            yield f"sees {path}, a link to {real}: name that, runs see it by no other name"


def _measure(folder: Path, task_toml: TaskFile) -> Iterator[str]:
    path = folder / layout.MEASURE_NOTEBOOK
    for key, command in (("measure", task_toml.command), ("checks", task_toml.checks)):
        if command and (problem := _command_problem(folder, command)):
            yield f'{layout.TASK_FILE}: {key} = "{command}": {problem}'
    if task_toml.command:
        if path.exists():
            yield f"{path.name} is not used where task.toml has measure = ...; remove one of them"
        if INFERENCE_SECONDS in task_toml.task.decisive:
            yield (
                f"{layout.TASK_FILE}: {INFERENCE_SECONDS} is not measured where a command measures;"
                " leave it out of objectives and bounds"
            )
        return
    yield from _notebook(path, task_toml.task)
    if not task_toml.task.trusted:
        yield from _unsafe_modules(folder)


def _notebook(path: Path, task: Task | None) -> Iterator[str]:
    try:
        cells, _ = parse_cells(read_text(path))
    except InputError as error:
        yield f"{path.name}: {error}; or name a command: measure = ... in {layout.TASK_FILE}"
        return
    yield from (f"{path.name}: {each}" for each in measure_problems(cells, task))


def _unsafe_modules(folder: Path) -> Iterator[str]:
    """Yield what Python files beside the measuring notebook read in a way that can run code."""
    for path in sorted(each for each in folder.glob("*.py") if each.is_file()):
        cell = Cell(path.stem, path.read_text(errors="replace"))
        if problem := syntax_problem(cell.name, cell.source):
            yield f"{path.name}: {problem}"
        else:
            trees = [parse_cell(cell.name, cell.source)]
            yield from (f"{path.name}: {each}" for each in unsafe_reads(trees))


def _command_problem(folder: Path, command: str) -> str:
    """Return why a shell could not run a command's program in the folder; empty if it could."""
    program = command.split()[0]
    if not PATH.fullmatch(program):  # the shell knows more of these than can be looked up
        return ""
    path = folder / program
    if not path.is_file():
        return f"there is no {program} in the folder"
    executable = path.stat().st_mode & 0o111
    return "" if executable else f"{program} is no program yet; chmod +x {path}"
