"""Bring a notebook that was written for something else into a task's folder, asking its owner."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoresearch_kit.campaign.adopt import replace_notebook
from autoresearch_kit.campaign.asking import Ask, all_questions, ask_all, says_yes
from autoresearch_kit.errors import InputError
from autoresearch_kit.notebook.cells import Cell, parse_cells, read_text, write_cells
from autoresearch_kit.notebook.contract import PARAMETERS, SETUP, SUBMIT, structural_problems
from autoresearch_kit.notebook.conversion import constant_seeds, convert, with_seed
from autoresearch_kit.notebook.foreign import KIT_CONSTANTS, Guess, guess, named_cells
from autoresearch_kit.tasks.measured import layout
from autoresearch_kit.tasks.measured.task import MEASURED
from autoresearch_kit.tasks.measured.task_file import read as read_task


@dataclass(frozen=True)
class Adopted:
    """A training notebook that was written to `path`, and what its owner should know of it."""

    path: Path
    notes: tuple[str, ...]


def adopt_for_task(
    root: Path, path: Path, folder: Path, ask: Ask | None, *, force: bool = False
) -> Adopted:
    """Write the notebook at `path` as the training notebook of the task in `folder`.

    Where it is not one yet, `ask` asks what its cells are for.

    Raises:
        InputError: the folder is of no task; or the notebook can't be a training notebook, and the
            message lists all problems, or all that there is to ask if `ask` is None; or the
            notebook that is there would be lost, and `force` is not set.
    """
    if not folder.resolve().is_relative_to(root.resolve()):
        raise InputError(f"{folder} is not in the project {root}; a task's folder is")
    name = folder.resolve().relative_to(root.resolve()).as_posix()
    task_toml = read_task(root, name)
    try:
        cells, kernel = parse_cells(read_text(path))
        notes: tuple[str, ...] = ()
        if not any(cell.name in (PARAMETERS, SETUP, SUBMIT) for cell in cells):
            cells, notes = _converted(
                named_cells(cells), _data_files(folder), task_toml.train_seconds, ask
            )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if problems := [*structural_problems(cells), *MEASURED.notebook_problems(cells)]:
        lines = "".join(f"\n- {problem}" for problem in problems)
        raise InputError(f"{path} can't be adopted yet:{lines}")
    written = f"{name}/{layout.TRAIN_NOTEBOOK}"
    replace_notebook(root, written, write_cells(cells, kernel), force=force)
    return Adopted(root / written, notes)


def _data_files(folder: Path) -> list[str]:
    data = folder / layout.DATA_FOLDER
    return [str(path.relative_to(data)) for path in data.rglob("*") if path.is_file()]


def _converted(
    cells: Sequence[Cell], files: Sequence[str], train_seconds: float, ask: Ask | None
) -> tuple[tuple[Cell, ...], tuple[str, ...]]:
    """Return the cells of the training notebook, and what to know of it."""
    code = [cell for cell in cells if not cell.markdown]
    if not code:
        raise InputError("it has no code")
    guessed = guess(cells, files)
    if ask is None:
        raise InputError(all_questions(code, guessed))
    answers = ask_all(code, guessed, ask)
    converted = convert(cells, answers, files, train_seconds)
    if seeds := constant_seeds(converted):
        where = "".join(f"\n  cell '{name}': {call}" for name, call in seeds)
        question = f"These fix the luck of every run:{where}\nWrite SEED there, which the kit sets?"
        if says_yes(ask, question):
            converted = with_seed(converted)
    return converted, tuple(_notes(converted, guessed, files))


def _notes(cells: Sequence[Cell], guessed: Guess, files: Sequence[str]) -> Iterable[str]:
    """Yield what the notebook's owner may have to do by hand."""
    if not any("run.data" in cell.source for cell in cells):
        there = ", ".join(sorted(files)[:3]) or "nothing yet"
        yield (
            f"no cell reads from run.data, the only data that a run sees ({layout.DATA_FOLDER}/ "
            f"has {there}): read it from there, as in np.load(run.data / 'rows.npy')"
        )
    kit = [name for found in guessed.constants.values() for name in found if name in KIT_CONSTANTS]
    if kit:
        yield f"{' and '.join(kit)} are set by the kit now; the lines that set them are gone"
    if not any("run.steps" in cell.source or "run.progress" in cell.source for cell in cells):
        yield (
            "training ends when its own loop does, and fails if that takes longer than the budget; "
            "a loop over run.steps() ends with it, and run.progress tells how much is spent"
        )
    after = [cell.name for cell in cells if cell.locked and not cell.markdown]
    after = after[after.index(SUBMIT) + 1 :]
    if after:
        yield f"{', '.join(after)} come after the hand-over, where they cost no budget"
