"""The next campaign begins with a best, or with a notebook of one's own, and nothing is lost."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign import adopt
from autoresearch_kit.campaign.options import Options
from autoresearch_kit.campaign.settings import settle
from autoresearch_kit.errors import InputError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.machine.profiles import SMALL_NOTEBOOK
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Bound, Constant
from tests.campaign import tiny
from tests.ledger.ledger import experiment, project
from tests.reports.tasks import of_two_objectives
from tests.researchers.llm.night import Night, make_night
from tests.shipped.train_cells import NOTEBOOK as SHIPPED

Cells = list[dict[str, object]]
Change = Callable[[Cells], object]
IDENTITY = ("-c", "user.name=a", "-c", "user.email=a@b")


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return make_night(tmp_path / "project")


def train(night: Night) -> Path:
    return night.history.root / SMALL_NOTEBOOK


def commit(night: Night) -> None:
    tiny.git(night.history.root, "add", ".")
    tiny.git(night.history.root, *IDENTITY, "commit", "-q", "-m", "mine")


def executed() -> str:
    """Return the tiny notebook as it is after it was run by hand."""
    book = json.loads(tiny.notebook_text())
    book["cells"][0] |= {"execution_count": 1, "outputs": []}
    return json.dumps(book)


def test_the_best_is_written_as_git_has_it(night: Night) -> None:
    for _ in range(2):  # what it has written once is in git
        best = adopt.adopt_best(night.history.root, "night")
        assert best.experiment.number == 1
        assert train(night).read_text() == night.history.source(1)


@pytest.mark.parametrize("state", ["changed", "staged", "untracked"])
def test_a_notebook_in_no_commit_is_kept_without_force(state: str, night: Night) -> None:
    root, mine = night.history.root, tiny.notebook_text(model="mine = 1")
    if state == "untracked":
        mine = "not even a notebook"
        tiny.git(root, "rm", "-q", "--cached", SMALL_NOTEBOOK)
        tiny.git(root, *IDENTITY, "commit", "-q", "-m", "gone")
    train(night).write_text(mine)
    if state == "staged":
        tiny.git(root, "add", ".")
    lost = r"would be lost; keep them: git add notebooks/train\.ipynb && git commit, or.*--force"
    with pytest.raises(InputError, match=lost):
        adopt.adopt_best(root, "night")
    assert train(night).read_text() == mine
    adopt.adopt_best(root, "night", force=True)
    assert train(night).read_text() == night.history.source(1)


def front(root: Path) -> History:
    """Write a campaign of two objectives to git, with a notebook of its own for each."""
    history = History(project(root), "night")
    for each in of_two_objectives():
        history.append(each, f"notebook {each.number}\n", {})
    return history


def test_the_preferred_objectives_best_is_taken_of_the_front(tmp_path: Path) -> None:
    root = front(tmp_path / "project").root
    chosen = {
        prefer: adopt.adopt_best(root, "night", prefer=prefer).experiment.number
        for prefer in ("error", "inference_seconds")
    }
    assert chosen == {"error": 8, "inference_seconds": 2}
    assert (root / SMALL_NOTEBOOK).read_text() == "notebook 2\n"


def test_bounds_in_force_hold_for_what_is_taken(tmp_path: Path) -> None:
    root = front(tmp_path / "project").root
    Workspace(root, "night").write_bounds((Bound("inference_seconds", 3e-5),))
    assert adopt.adopt_best(root, "night", prefer="error").experiment.number == 5
    Workspace(root, "night").write_bounds((Bound("inference_seconds", 1e-6),))
    with pytest.raises(InputError, match=r"within its bounds \(inference_seconds <= 1e-06\)"):
        adopt.adopt_best(root, "night", prefer="error")


def test_only_an_objective_can_be_preferred(tmp_path: Path) -> None:
    root = front(tmp_path / "project").root
    words = "--prefer submission_mb: the objectives of 'night' are error, inference_seconds"
    with pytest.raises(InputError, match=words):
        adopt.adopt_best(root, "night", prefer="submission_mb")


def test_the_best_replaces_the_notebook_its_campaign_began_with(tmp_path: Path) -> None:
    root, first = project(tmp_path / "project"), experiment(0)
    settings = replace(first.settings, notebook="notebooks/mine.ipynb")
    History(root, "night").append(replace(first, settings=settings), "mine\n", {})
    adopt.adopt_best(root, "night")
    assert (root / "notebooks" / "mine.ipynb").read_text() == "mine\n"


def test_a_notebook_in_any_commit_can_be_overwritten(night: Night) -> None:
    before = train(night).read_text()
    train(night).write_text(TrainNotebook.parse(tiny.notebook_text()).text())
    commit(night)
    train(night).write_text(before)
    adopt.adopt_best(night.history.root, "night")
    train(night).write_text(executed())  # outputs alone are no change
    adopt.adopt_best(night.history.root, "night")


def test_the_folder_of_a_task_is_made_where_it_is_missing(tmp_path: Path) -> None:
    adopt.replace_notebook(tmp_path, "tasks/t/train.ipynb", executed(), force=False)
    assert (tmp_path / "tasks" / "t" / "train.ipynb").read_text() == executed()


def test_a_campaign_without_experiments_has_no_best(night: Night) -> None:
    with pytest.raises(InputError, match="campaign 'day' has no experiment yet"):
        adopt.adopt_best(night.history.root, "day")


def test_a_notebook_of_ones_own_is_written_without_outputs(night: Night, tmp_path: Path) -> None:
    own = tmp_path / "own.ipynb"
    own.write_text(executed())
    adopt.adopt_file(night.history.root, own)
    assert train(night).read_text() == TrainNotebook.parse(tiny.notebook_text()).text()
    train(night).write_text(executed())
    adopt.adopt_file(night.history.root, train(night))  # the training notebook is only checked
    assert train(night).read_text() == executed()
    own.write_text(tiny.notebook_text(submit="print(model)"))
    with pytest.raises(InputError, match=r"own.ipynb can't be adopted yet:\n- cell 'submit'"):
        adopt.adopt_file(night.history.root, own)
    assert train(night).read_text() == executed()


@pytest.mark.parametrize(("depth", "profile"), [({}, "cpu"), ({"DEPTH": 3}, "as-is")])
def test_only_the_shipped_constants_take_the_machines_profile(
    depth: dict[str, Constant], profile: str, tmp_path: Path
) -> None:
    root = tiny.make_project(tmp_path / "project")
    (root / SMALL_NOTEBOOK).write_text(TrainNotebook.read(SHIPPED).set_constants(depth).text())
    assert settle(root, "day", Options()).profile.startswith(profile)


def problems(*changes: Change, **sources: str) -> list[str]:
    """Return the problems of the tiny notebook with these changes."""
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
def test_a_problem_in_a_cell_names_the_way_out(cell: str, source: str, words: str) -> None:
    assert any(words in problem for problem in problems(**{cell: source}))


def test_everything_is_said_at_once() -> None:
    listed = problems(untag(3), lambda cells: cells.pop(5), setup="", config="A = 1  # a; 1..x")
    for words in (
        "cell 'model' must be tagged",
        "no locked cell 'submit'",
        "'setup' does not call",
        "the range of A",
        "no cell defines 'run'",
    ):
        assert any(words in problem for problem in listed), words


def test_papermills_tag_is_asked_for() -> None:
    [problem] = problems(lambda c: c[0].update(metadata={"name": "parameters", "tags": ["locked"]}))
    assert "must be tagged 'parameters' too" in problem


def test_nameless_cells_are_listed_with_the_way_to_name_them() -> None:
    *listed, advice = problems(*map(unname, range(6)))
    for position in range(1, 7):
        assert any(p.startswith(f"cell {position} (it starts ") for p in listed)
    assert "In JupyterLab: select the cell" in advice
    assert "Colab" in advice
