"""`adopt`: begin the next campaign with another campaign's best, or with a notebook of your own.

The notebook becomes `notebooks/train.ipynb`. A notebook that is there already is overwritten only
where git can bring it back.
"""

from pathlib import Path

from autoresearch_kit.errors import InputError
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.ledger import NOTEBOOK, Entry, History, repository
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.cells import parse_cells, read_text
from autoresearch_kit.notebook.contract import content_problems, structural_problems

HOW_TO_NAME = (
    "Names and tags are cell metadata. In JupyterLab: select the cell, click the gears at the top "
    "right, and write them under Advanced Tools, Cell Metadata. Colab and plain editors can't; "
    f"there, copy {NOTEBOOK}, whose cells have them, and put your code into its cells."
)


def adopt_best(root: Path, tag: str, *, force: bool = False) -> Entry:
    """Write the best notebook of campaign `tag` to `notebooks/train.ipynb` and return the best.

    Raises:
        InputError: the campaign has none, or the notebook that is there would be lost and `force`
            is not set.
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
    if path.resolve() != (root / NOTEBOOK).resolve():
        _write(root, TrainNotebook.parse(text).text(), force)


def find_problems(text: str) -> list[str]:
    """Return all that keeps a notebook's JSON from being a training notebook.

    Raises:
        InputError: it is not a notebook of format 4.
    """
    cells, _ = parse_cells(text)
    problems = list(structural_problems(cells))
    advice = [HOW_TO_NAME] if problems else []
    return [*problems, *content_problems(cells), *advice]


def _write(root: Path, text: str, force: bool) -> None:
    path = root / NOTEBOOK
    if not force and path.exists() and not _in_git(root, read_text(path)):
        raise InputError(
            f"{NOTEBOOK} has changes that are in no commit, and they would be lost; keep them: "
            f"git add {NOTEBOOK} && git commit, or give them up: --force"
        )
    path.parent.mkdir(exist_ok=True)
    write_atomic(path, text.encode())


def _in_git(root: Path, text: str) -> bool:
    """Return whether git can bring back this notebook, its outputs aside."""
    try:
        stripped = TrainNotebook.parse(text).text()
    except InputError:
        stripped = text
    return any(repository.holds(root, NOTEBOOK, version) for version in (text, stripped))
