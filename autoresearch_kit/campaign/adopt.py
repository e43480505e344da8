"""Adopt a campaign's best, or a notebook of the user's own, for the next campaign to begin with.

A best replaces the notebook that its campaign began with; a notebook of the user's own replaces
`notebooks/train.ipynb`. A notebook is written over only where git can bring it back.
"""

from pathlib import Path

from autoresearch_kit.errors import InputError
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import Entry, History, repository
from autoresearch_kit.machine.profiles import SMALL_NOTEBOOK
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.cells import parse_cells, read_text
from autoresearch_kit.notebook.contract import structural_problems
from autoresearch_kit.reports.summary import summary_of
from autoresearch_kit.tasks.lm.task import LANGUAGE_MODEL

HOW_TO_NAME = (
    "Names and tags are cell metadata. In JupyterLab: select the cell, click the gears at the top "
    "right, and write them under Advanced Tools, Cell Metadata. Colab and plain editors can't; "
    f"there, copy {SMALL_NOTEBOOK}, whose cells have them, and put your code into its cells."
)


def adopt_best(root: Path, tag: str, *, prefer: str = "", force: bool = False) -> Entry:
    """Write the best notebook of campaign `tag` to where its first one was; return the best.

    With several objectives, `prefer` names the one by which the best of the front is taken.

    Raises:
        InputError: the campaign has none, `prefer` is no objective of it, or the notebook that is
            there would be lost and `force` is not set.
    """
    ledger = History(root, tag)
    best = _preferred(ledger, prefer) if prefer else ledger.best()
    if best is None:
        raise InputError(f"campaign '{tag}' has no experiment yet; run it: autoresearch run {tag}")
    name = best.experiment.settings.notebook
    replace_notebook(root, name, ledger.source(best.experiment.number), force=force)
    return best


def _preferred(ledger: History, prefer: str) -> Entry | None:
    """Return the front's best in an objective, of those that hold all bounds in force."""
    entries, workspace = ledger.entries(), Workspace(ledger.root, ledger.tag)
    summary = summary_of(ledger.tag, entries, workspace.bounds())
    task, best = summary.task, summary.best_row
    if best is None:
        return None
    if prefer not in task.objectives:
        objectives = ", ".join(task.objectives)
        raise InputError(f"--prefer {prefer}: the objectives of '{ledger.tag}' are {objectives}")
    front = [row for row in summary.table if row.number in (summary.front or (best.number,))]
    held = [row for row in front if summary.holds_bounds(row) and prefer in summary.measured(row)]
    if not held:
        bounds = ", ".join(map(str, task.bounds))
        raise InputError(f"no keep of '{ledger.tag}' was measured within its bounds ({bounds})")
    sign = task.metric(prefer).sign
    chosen = min(held, key=lambda row: sign * summary.measured(row)[prefer])
    return next(each for each in entries if each.experiment.number == chosen.number)


def adopt_file(root: Path, path: Path, *, force: bool = False) -> Path:
    """Write the notebook at `path`, without outputs, to `notebooks/train.ipynb`; return its path.

    A notebook in `notebooks/` is only checked.

    Raises:
        InputError: it can't be a training notebook; the message lists all problems. Or the
            notebook that is there would be lost and `force` is not set.
    """
    text = read_text(path)
    try:
        problems = find_problems(text)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if problems:
        lines = "".join(f"\n- {problem}" for problem in problems)
        raise InputError(f"{path} can't be adopted yet:{lines}")
    if path.resolve().parent == (root / SMALL_NOTEBOOK).resolve().parent:
        return path
    replace_notebook(root, SMALL_NOTEBOOK, TrainNotebook.parse(text).text(), force=force)
    return root / SMALL_NOTEBOOK


def find_problems(text: str) -> list[str]:
    """Return all that keeps a notebook's JSON from being a training notebook.

    Raises:
        InputError: it is not a notebook of format 4.
    """
    cells, _ = parse_cells(text)
    problems = list(structural_problems(cells))
    advice = [HOW_TO_NAME] if problems else []
    return [*problems, *LANGUAGE_MODEL.notebook_problems(cells), *advice]


def replace_notebook(root: Path, name: str, text: str, *, force: bool) -> None:
    """Write the text of a notebook to the file `name` of the project.

    Raises:
        InputError: the notebook that is there would be lost, and `force` is not set.
    """
    path = root / name
    if not force and _would_be_lost(root, name):
        raise InputError(
            f"{name} has changes that are in no commit, and they would be lost; keep them: "
            f"git add {name} && git commit, or give them up: --force"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text.encode())


def _would_be_lost(root: Path, name: str) -> bool:
    """Return True if git could not bring back the notebook `name`, its outputs aside."""
    path = root / name
    if not path.exists():
        return False
    text = read_text(path)
    try:
        stripped = TrainNotebook.parse(text).text()
    except InputError:
        stripped = text
    return not any(repository.holds(root, name, version) for version in (text, stripped))
