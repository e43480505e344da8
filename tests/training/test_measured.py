"""Train for a task that is a folder: a loop or none, and hand anything over."""

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.errors import InputError, SubmissionError, TrainingError
from autoresearch_kit.execution import handover, launch
from autoresearch_kit.execution.probed import read_probed
from autoresearch_kit.execution.runner.submission import taken_model, taken_output
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.records import Reason
from autoresearch_kit.records.codec import decode
from autoresearch_kit.tasks.measured import layout
from autoresearch_kit.training import measured
from autoresearch_kit.training.measured import MeasuredRun
from tests.execution.notebooks import make_spec, notebook


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MeasuredRun:
    """Return a run in this process, as under the runner."""
    monkeypatch.setenv(handover.DATASET, str(tmp_path / "prepared"))
    monkeypatch.setenv(handover.WORK, str(tmp_path))
    return measured.start(train_seconds=60.0, seed=7)


def claim(work: Path) -> handover.Submitted:
    return decode(handover.Submitted, (work / handover.SUBMISSION_FILE).read_bytes())


def failure(work: Path) -> handover.Failure:
    return decode(handover.Failure, (work / handover.FAILURE_FILE).read_bytes())


def defined(code: str, **names: object) -> dict[str, object]:
    """Return the namespace after a cell with this code ran."""
    namespace: dict[str, object] = {"__name__": "__main__", **names}
    exec(code, namespace)
    return namespace


def test_a_function_of_a_cell_is_handed_over_with_what_it_uses(
    run: MeasuredRun, tmp_path: Path
) -> None:
    cell = "LIMIT = 3\ndef first(rows):\n    return [row for row in rows if row < LIMIT + run.seed]"
    run.submit(defined(cell, run=run)["first"])
    first = pickle.loads((tmp_path / handover.MODEL_FILE).read_bytes())
    assert first([1, 9, 10, 11]) == [1, 9]
    assert (claim(tmp_path).steps, claim(tmp_path).tokens) == (0, 0)
    assert run.data == tmp_path / "prepared" / "data"


def test_what_is_there_only_in_training_is_named(run: MeasuredRun, tmp_path: Path) -> None:
    run.submit(defined("def first(rows):\n    return run.data", run=run)["first"])
    first = pickle.loads((tmp_path / handover.MODEL_FILE).read_bytes())
    with pytest.raises(AttributeError, match=r"run\.data is there only while training goes on"):
        first([])


def test_files_alone_are_a_submission(run: MeasuredRun, tmp_path: Path) -> None:
    (run.output / "weights.bin").touch()
    run.submit()
    assert not (tmp_path / handover.MODEL_FILE).exists()
    assert claim(tmp_path).steps == 0


def test_to_hand_over_nothing_is_an_error_of_one_line(run: MeasuredRun, tmp_path: Path) -> None:
    (run.output / "folder").mkdir()
    with pytest.raises(SubmissionError, match=r"pass run\.submit what was trained"):
        run.submit()
    assert failure(tmp_path).reason is Reason.BAD_SUBMISSION
    assert not (tmp_path / handover.SUBMISSION_FILE).exists()


class Estimator:
    """Fitted as those of scikit-learn are, into attributes of its own."""

    def __init__(self, **fitted: object) -> None:
        vars(self).update(fitted)


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda log: {"steps": [("scale", 2.0), ("log", log)]}, r"submission\['steps'\]\[1\]\[1\]"),
        (lambda log: Estimator(classes_=[0, 1], log_=log), r"submission\.log_"),
        (lambda log: defined("def f(x):\n    return log.write(x)", log=log)["f"],
         "the global 'log' used by f"),
    ],
    ids=["dict", "estimator", "function"],
)  # fmt: skip
def test_what_can_not_be_pickled_is_named(
    make: Callable[[object], object], where: str, run: MeasuredRun, tmp_path: Path
) -> None:
    with (tmp_path / "log").open("w") as log:
        thing = make(log)
        with pytest.raises(SubmissionError, match=f"the submission can't be handed over: {where}"):
            run.submit(thing)
    assert failure(tmp_path).reason is Reason.UNPICKLABLE


def test_a_loss_may_be_of_any_size_but_finite(run: MeasuredRun, tmp_path: Path) -> None:
    for loss in [-5.0, 1e9, *[1.0] * 30, 1e12]:
        run.log(loss=loss)
    with pytest.raises(TrainingError, match="loss nan at step 33"):
        run.log(loss=float("nan"))
    assert failure(tmp_path).reason is Reason.DIVERGED


def test_each_loss_outside_of_steps_is_a_step(run: MeasuredRun, tmp_path: Path) -> None:
    for _ in range(3):
        run.log(loss=1.0, accuracy=0.5)
    run.submit({"weights": [1.0]})
    lines = (tmp_path / handover.METRICS_FILE).read_text().splitlines()
    assert {**json.loads(lines[-1]), "seconds": 0} == {
        "step": 2, "seconds": 0, "loss": 1.0, "tokens": 0, "accuracy": 0.5,
    }  # fmt: skip
    assert claim(tmp_path).steps == 0


@pytest.mark.parametrize("budget", [0.05, 60.0], ids=["spent", "left"])
def test_only_a_loop_that_the_budget_ends_counts_steps(
    budget: float, run: MeasuredRun, tmp_path: Path
) -> None:
    run.train_seconds = budget
    for step in run.steps():
        run.log(loss=1.0)
        if budget == 60.0 and step == 5:  # as a notebook that stops early does
            break
    run.submit({})
    assert (claim(tmp_path).steps > 0) is (budget == 0.05)


SETUP = """
from autoresearch_kit.training import measured
run = measured.start(TRAIN_SECONDS, SEED)
"""

FUNCTION = """
WORDS = (run.data / "words.txt").read_text().split()
(run.output / "words.txt").write_text(" ".join(sorted(WORDS)))

def parse(line):
    return line.split()
"""


@pytest.mark.slow
def test_a_function_without_a_loop_runs_headless(tmp_path: Path) -> None:
    setup = (
        "from autoresearch_kit.training import measured\nrun = measured.start(TRAIN_SECONDS, SEED)"
    )
    book = notebook(FUNCTION, setup=setup, submit="run.submit(parse)")
    spec = make_spec(tmp_path, book, sandbox=bubblewrap.level())
    data = spec.dataset / layout.DATA_FOLDER
    data.mkdir()
    (data / "words.txt").write_text("to be")
    (spec.dataset / layout.INFO_FILE).touch()
    run = launch.execute_unscored(replace(spec, profiled=True))
    assert run.failure is None, run.detail
    assert (run.steps, run.tokens, run.tokens_per_second) == (0, 0, 0.0)
    assert pickle.loads(taken_model(spec.folder).read_bytes())("a b") == ["a", "b"]
    assert (taken_output(spec.folder) / "words.txt").read_text() == "be to"
    assert not (spec.folder / handover.WORK_FOLDER / handover.OUTPUT_FOLDER).exists()
    probed = read_probed(spec.folder, run)
    assert (probed.steps, probed.metrics) == (None, b"")


def test_by_hand_the_notebook_belongs_in_its_tasks_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(handover.DATASET, raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"no task\.toml in .*: open it there"):
        measured.start(60.0, 0)
