"""A notebook that was written for something else is brought into a task, by asking its owner."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autoresearch_kit.campaign.adopt_task import Adopted, adopt_for_task
from autoresearch_kit.errors import InputError
from autoresearch_kit.notebook import TrainNotebook
from tests.campaign import tiny

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "own_model"
PAGE = ROOT / "docs" / "examples" / "own_model.md"

TASK = 'name = "mine"\ntrain_seconds = 20\n[[metrics]]\nname = "error"\n'

CELLS = (
    "%matplotlib inline\nimport numpy as np\nSEED = 1",
    'rows = np.load("work/rows.npy")\nprint(f"rows.npy has {len(rows)} rows")',
    "WIDTH = 8\nRATE = 0.1  # learning rate",
    "PASSES = 3  # over all rows\n\ndef fit():\n    return rows.mean() * WIDTH * RATE * PASSES",
    "np.random.seed(1)\nmodel = fit()",
    "print(model)",
)


class Asked:
    """Answers questions by a word in them, else takes the default; keeps what was asked."""

    def __init__(self, **answers: str) -> None:
        self.answers = answers
        self.questions: list[str] = []

    def __call__(self, question: str, default: str) -> str:
        self.questions.append(f"{question} [{default}]")
        line = question.rpartition("\n")[2]
        return next((said for word, said in self.answers.items() if word in line), default)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tiny.make_project(tmp_path / "project")
    (root / "mine" / "data").mkdir(parents=True)
    (root / "mine" / "data" / "rows.npy").touch()
    (root / "mine" / "task.toml").write_text(TASK)
    return root


def write(path: Path, *sources: str) -> Path:
    book = new_notebook(cells=[new_markdown_cell("# Mine"), *map(new_code_cell, sources)])
    nbformat.write(book, path)
    return path


def adopt(root: Path, ask: Asked | None, *sources: str) -> Adopted:
    own = write(root / "own.ipynb", *(sources or CELLS))
    return adopt_for_task(root, own, root / "mine", ask)


def sources(root: Path) -> dict[str, str]:
    book = TrainNotebook.read(root / "mine" / "train.ipynb")
    return {cell.name: cell.source for cell in book.cells if not cell.markdown}


def test_the_likely_answers_make_a_training_notebook(root: Path) -> None:
    asked = Asked()
    adopted = adopt(root, asked)
    assert sources(root) == {
        "parameters": "SEED = 0\nTRAIN_SECONDS = 20.0",
        "setup": "from autoresearch_kit.training import measured\n\n"
        "run = measured.start(TRAIN_SECONDS, SEED)",
        "imports": "import numpy as np",
        "data": 'rows = np.load(run.data / "rows.npy")\nprint(f"rows.npy has {len(rows)} rows")',
        "config": "WIDTH = 8\nRATE = 0.1  # learning rate\nPASSES = 3  # over all rows",
        "fit": "def fit():\n    return rows.mean() * WIDTH * RATE * PASSES",
        "model": "np.random.seed(SEED)\nmodel = fit()",
        "submit": "run.submit(model)",
        "cell": "print(model)",
    }
    book = TrainNotebook.read(adopted.path)
    assert book.editable == ("imports", "config", "fit", "model")
    assert [question.rpartition("[")[2] for question in asked.questions] == [
        "2]", "3]", "all]", "model]", "1, 3, 4, 5]", "yes]",
    ]  # fmt: skip
    assert [note.partition(" ")[0] for note in adopted.notes] == ["SEED", "training", "cell"]


def test_answers_are_followed(root: Path) -> None:
    asked = Asked(reads="none", constants="none", Names="RATE", variable="fit", edit="4-5")
    adopt(root, asked)
    cells = sources(root)
    assert list(cells)[2:4] == ["config", "imports"]
    assert (cells["config"], cells["submit"]) == ("RATE = 0.1  # learning rate", "run.submit(fit)")
    assert cells["width"] == "WIDTH = 8"
    book = TrainNotebook.read(root / "mine" / "train.ipynb")
    assert book.editable == ("config", "fit", "model")


def impatient(*said: str) -> Iterator[str]:
    yield from said
    raise EOFError


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("seven", "seven is no number of a cell"),
        ("7", "the cells have the numbers 1 to 6"),
        ("9-99999999999", "the cells have the numbers 1 to 6"),
        ("", "the cells have the numbers 1 to 6"),
    ],
)
def test_an_answer_that_can_not_be_used_is_asked_again(said: str, why: str, root: Path) -> None:
    said_so_far, questions = impatient(said), list[str]()

    def ask(question: str, default: str) -> str:
        questions.append(question)
        return next(said_so_far)

    with pytest.raises(EOFError):
        adopt_for_task(root, write(root / "own.ipynb", *CELLS), root / "mine", ask)
    assert questions[-1] == f"{why}; once more"
    assert not (root / "mine" / "train.ipynb").exists()


def test_with_nobody_to_ask_all_questions_are_named(root: Path) -> None:
    with pytest.raises(InputError) as caught:
        adopt(root, None)
    message = str(caught.value)
    assert "which cell reads the data (likely 2)" in message
    assert "which cells may be edited (likely 1, 3, 4, 5)" in message
    assert "  3  WIDTH = 8\n" in message


@pytest.mark.skipif(sys.platform != "linux", reason="a pseudo-terminal of Linux")
def test_a_terminal_is_asked_one_question_at_a_time(root: Path) -> None:
    write(root / "own.ipynb", *CELLS)
    ours, theirs = os.openpty()
    os.write(ours, b"\n\n\nfit\n\n\n")
    argv = [str(Path(sys.executable).with_name("autoresearch")), "adopt", "--from", "own.ipynb"]
    done = subprocess.run(
        [*argv, "--task", "mine"],
        cwd=root,
        stdin=theirs,
        capture_output=True,
        text=True,
        check=True,
    )
    os.close(ours)
    os.close(theirs)
    assert done.stdout.count("]: ") == 5
    assert "see what is missing still: autoresearch check mine" in done.stdout
    assert sources(root)["submit"] == "run.submit(fit)"


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("x = (", "own.ipynb: cell '2', line 1: "),
        ("%%bash\nls", "own.ipynb: cell '2', line 1: "),
        ("x = 1", "can't be adopted yet:\n- no editable cell 'config'"),
    ],
)
def test_what_can_not_become_a_training_notebook_says_why(cell: str, why: str, root: Path) -> None:
    with pytest.raises(InputError) as caught:
        adopt(root, Asked(), cell)
    assert why in str(caught.value)


def test_a_notebook_that_is_ready_is_taken_without_a_question(root: Path) -> None:
    ready = EXAMPLE / "train.ipynb"
    adopt_for_task(root, ready, root / "mine", None)
    assert (root / "mine" / "train.ipynb").read_text() == ready.read_text()


def test_changes_in_no_commit_are_kept(root: Path) -> None:
    (root / "mine" / "train.ipynb").write_text("precious")
    with pytest.raises(InputError, match=r"mine/train.ipynb has changes .* would be lost"):
        adopt(root, Asked())


def test_a_task_is_needed_first(root: Path) -> None:
    (root / "mine" / "task.toml").unlink()
    with pytest.raises(InputError, match=r"no task.toml in mine; make a task with"):
        adopt(root, Asked())


def test_the_example_is_what_its_page_answers(root: Path) -> None:
    for name in ("task.toml", "data/co2.csv"):
        (root / "mine" / name).write_text((EXAMPLE / name).read_text())
    asked = Asked(Names="none")
    adopted = adopt_for_task(root, EXAMPLE / "original.ipynb", root / "mine", asked)
    assert adopted.path.read_text() == (EXAMPLE / "train.ipynb").read_text()
    page = {line.strip().removesuffix(" none") for line in PAGE.read_text().splitlines()}
    lines = [line.strip() for question in asked.questions for line in f"{question}:".splitlines()]
    assert [line for line in lines if line not in page] == []
