"""The next campaign begins with a best, or with somebody's own notebook, and nothing is lost."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from autoresearch_kit.campaign import adopt
from autoresearch_kit.campaign.options import Wishes, settle
from autoresearch_kit.errors import InputError
from autoresearch_kit.ledger import NOTEBOOK
from autoresearch_kit.notebook import TrainNotebook
from tests.campaign import tiny
from tests.researchers.llm.night import Night, make_night
from tests.shipped.train_cells import NOTEBOOK as SHIPPED

Cells = list[dict[str, object]]
Change = Callable[[Cells], object]
IDENTITY = ("-c", "user.name=a", "-c", "user.email=a@b")


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return make_night(tmp_path / "project")


def train(night: Night) -> Path:
    return night.history.root / NOTEBOOK


def commit(night: Night) -> None:
    tiny.git(night.history.root, "add", ".")
    tiny.git(night.history.root, *IDENTITY, "commit", "-q", "-m", "mine")


def executed() -> str:
    """The tiny notebook as it is after it was run by hand."""
    book = json.loads(tiny.notebook_text())
    book["cells"][0] |= {"execution_count": 1, "outputs": []}
    return json.dumps(book)


def test_the_best_is_written_as_git_has_it(night: Night) -> None:
    best = adopt.adopt_best(night.history.root, "night")
    assert best.experiment.number == 1
    assert train(night).read_text() == night.history.source(1)


def test_a_change_that_is_in_no_commit_is_kept(night: Night) -> None:
    train(night).write_text(tiny.notebook_text(model="mine = 1"))
    with pytest.raises(
        InputError, match=r"git add notebooks/train\.ipynb && git commit, or.*--force"
    ):
        adopt.adopt_best(night.history.root, "night")
    assert "mine = 1" in train(night).read_text()


def test_a_notebook_that_git_has_never_seen_is_kept(night: Night) -> None:
    tiny.git(night.history.root, "rm", "-q", "--cached", NOTEBOOK)
    tiny.git(night.history.root, *IDENTITY, "commit", "-q", "-m", "gone")
    train(night).write_text("not even a notebook")
    with pytest.raises(InputError, match="they would be lost"):
        adopt.adopt_best(night.history.root, "night")


def test_a_staged_change_is_no_commit(night: Night) -> None:
    train(night).write_text(tiny.notebook_text(model="mine = 1"))
    tiny.git(night.history.root, "add", ".")
    with pytest.raises(InputError, match="they would be lost"):
        adopt.adopt_best(night.history.root, "night")


def test_force_gives_it_up(night: Night) -> None:
    train(night).write_text(tiny.notebook_text(model="mine = 1"))
    adopt.adopt_best(night.history.root, "night", force=True)
    assert train(night).read_text() == night.history.source(1)


def test_what_was_committed_at_any_time_can_be_written_over(night: Night) -> None:
    before = train(night).read_text()
    train(night).write_text(tiny.notebook_text(model="mine = 1"))
    commit(night)
    train(night).write_text(before)
    adopt.adopt_best(night.history.root, "night")


def test_an_adopted_notebook_is_in_git_already(night: Night) -> None:
    adopt.adopt_best(night.history.root, "night")
    adopt.adopt_best(night.history.root, "night")


def test_outputs_alone_are_no_change(night: Night) -> None:
    train(night).write_text(TrainNotebook.parse(tiny.notebook_text()).text())
    commit(night)
    train(night).write_text(executed())
    adopt.adopt_best(night.history.root, "night")


def test_a_campaign_without_experiments_has_no_best(night: Night) -> None:
    with pytest.raises(InputError, match="campaign 'day' has no experiment yet"):
        adopt.adopt_best(night.history.root, "day")


def test_a_notebook_of_ones_own_is_written_without_outputs(night: Night, tmp_path: Path) -> None:
    own = tmp_path / "own.ipynb"
    own.write_text(executed())
    adopt.adopt_file(night.history.root, own)
    assert train(night).read_text() == TrainNotebook.parse(tiny.notebook_text()).text()


def test_the_training_notebook_itself_is_checked_and_left_alone(night: Night) -> None:
    train(night).write_text(executed())
    adopt.adopt_file(night.history.root, train(night))
    assert train(night).read_text() == executed()


def test_constants_that_a_campaign_turned_are_begun_with(tmp_path: Path) -> None:
    root = tiny.make_project(tmp_path / "project")
    turned = TrainNotebook.read(SHIPPED).set_constants({"DEPTH": 3})
    (root / NOTEBOOK).write_text(turned.text())
    assert settle(root, "day", Wishes()).profile == "as-is"


def test_the_notebook_as_shipped_takes_this_machines_profile(tmp_path: Path) -> None:
    root = tiny.make_project(tmp_path / "project")
    (root / NOTEBOOK).write_text(SHIPPED.read_text())
    assert settle(root, "day", Wishes()).profile.startswith("cpu")


# What a notebook lacks


def problems(*changes: Change, **sources: str) -> list[str]:
    """What is found in the tiny notebook, changed."""
    book = json.loads(tiny.notebook_text(**sources))
    for change in changes:
        change(book["cells"])
    return adopt.find_problems(json.dumps(book))


def untag(at: int) -> Change:
    return lambda cells: cells[at].update(metadata={"name": cells[at]["id"]})


def unname(at: int) -> Change:
    return lambda cells: cells[at].update(metadata={}, id="c0ffee")


@pytest.mark.parametrize("text", [tiny.notebook_text(), SHIPPED.read_text()])
def test_a_training_notebook_lacks_nothing(text: str) -> None:
    assert adopt.find_problems(text) == []


@pytest.mark.parametrize(
    ("cell", "source", "words"),
    [
        ("parameters", "SEED = 0\nDATASET = 'x'", "gives no value to TRAIN_SECONDS; write there"),
        ("setup", "# kernel.start()\nrun = 1", "'setup' does not call kernel.start()"),
        ("setup", "%pip install x\nrun = 1", "'setup' does not call kernel.start()"),
        ("submit", "print(model)", "'submit' does not call run.submit()"),
        ("config", "BATCH, RATE, WIDTH = 1, 2.0, 3", "'config' has no constants in CAPITALS"),
        ("config", "BATCH = 4  # rows; 1..x\nRATE = 0.1\nWIDTH = 8", "the range of BATCH"),
        ("train", "x, y = next(run.batches(4))", "no editable cell calls run.steps()"),
        ("train", "for step in run.steps(): pass", "no editable cell calls run.batches()"),
        ("model", "model = (", "cell 'model', line 1: "),
        ("model", "model = Bigram(run)", "no cell defines 'Bigram'"),
    ],
)
def test_what_a_cell_lacks_is_said_with_the_way_out(cell: str, source: str, words: str) -> None:
    assert any(words in problem for problem in problems(**{cell: source}))


def test_everything_is_said_at_once() -> None:
    found = problems(
        untag(3), lambda cells: cells.pop(5), setup="", config="A = 1  # a; 1..x\nB = 1  # b; x..1"
    )
    for words in (
        "cell 'model' must be tagged",
        "no locked cell 'submit'",
        "'setup' does not call",
        "the range of A",
        "the range of B",
        "no cell defines 'run'",
    ):
        assert any(words in problem for problem in found), words


def test_papermills_tag_is_asked_for() -> None:
    found = problems(lambda c: c[0].update(metadata={"name": "parameters", "tags": ["locked"]}))
    assert len(found) == 1
    assert "must be tagged 'parameters' too" in found[0]


def test_a_notebook_without_names_is_told_which_to_give_and_where() -> None:
    found = problems(*map(unname, range(6)))
    names = ["parameters", "setup", "config", "part-4", "train", "submit"]
    assert len(found) == len(names) + 1
    for problem, name in zip(found, names, strict=False):
        assert f'such as {{"name": "{name}", "tags": [' in problem
    assert "In JupyterLab: select the cell" in found[-1]
    assert "Colab" in found[-1]


def test_names_as_suggested_are_all_that_was_missing() -> None:
    book = json.loads(tiny.notebook_text())
    for at in range(6):
        unname(at)(book["cells"])
    for cell, said in zip(book["cells"], adopt.find_problems(json.dumps(book)), strict=False):
        cell["metadata"] = json.loads(said.split("such as ")[1])
    assert adopt.find_problems(json.dumps(book)) == []


def test_what_is_no_training_notebook_is_not_written(night: Night, tmp_path: Path) -> None:
    own = tmp_path / "own.ipynb"
    own.write_text(tiny.notebook_text(submit="print(model)"))
    with pytest.raises(InputError, match=r"own.ipynb can't be adopted yet:\n- cell 'submit'"):
        adopt.adopt_file(night.history.root, own)
    assert "print(model)" not in train(night).read_text()
