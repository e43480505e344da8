"""Test what a task's judge makes of a submission: real kernels, sandboxes and predictors."""

from dataclasses import replace
from pathlib import Path

import cloudpickle
import numpy as np
import pytest

from autoresearch_kit.execution.judge import scoring
from autoresearch_kit.execution.judge.scoring import MEASURED_FILE, JudgeSpec, ScoreFailure
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.records import Metric, Reason, SandboxLevel
from autoresearch_kit.tasks.measured.prepare import prepare_task
from tests.execution.judge.measured import submissions
from tests.execution.judge.measured.prepared import ERROR, MEASURE, ROWS, prepare
from tests.execution.judge.measured.submissions import Does

ROOT = Path(__file__).parents[4]

IMPORT = "from autoresearch_kit.measuring import measure\n"

bubblewrapped = pytest.mark.skipif(bool(bubblewrap.why_not()), reason=bubblewrap.why_not())


def submit(spec: JudgeSpec, submission: object = submissions.double) -> JudgeSpec:
    spec.submission.write_bytes(cloudpickle.dumps(submission))
    return spec


def refusal(spec: JudgeSpec) -> tuple[Reason, str]:
    with pytest.raises(ScoreFailure) as caught:
        scoring.score(spec)
    return caught.value.reason, caught.value.detail


def test_the_notebooks_metrics_and_the_kits_are_the_score(spec: JudgeSpec) -> None:
    prepare(spec.dataset, audited=True)
    score = scoring.score(submit(spec, submissions.Twice()))
    assert (score.metric, score.value, score.trusted) == ("error", 0.0, False)
    assert score.values["parameters"] == 2
    assert score.values["submission_mb"] == spec.submission.stat().st_size / 1e6
    assert 0 < score.values["inference_seconds"] < score.seconds / ROWS
    folder = spec.folder / "audit"
    folder.mkdir()
    audit = scoring.score(replace(spec, shard="audit", folder=folder))
    assert audit.values["error"] == 1.0


FILES = """
import helper
measure = helper.measure
answer = helper.read(measure.output / "deep" / "answer.npy")
measure.report(error=answer.sum(), error_se=0.25)
measure.report(gain=-1.0)
"""


def test_files_alone_are_measured_with_the_tasks_own_modules(spec: JudgeSpec) -> None:
    helper = f"{IMPORT}from numpy import load as read\n"
    prepare(spec.dataset, FILES, metrics=(ERROR, Metric("gain")), files={"helper.py": helper})
    (spec.output / "deep").mkdir()
    np.save(spec.output / "deep" / "answer.npy", np.ones(3))
    score = scoring.score(spec)
    size = (spec.output / "deep" / "answer.npy").stat().st_size + len("deep" + "answer.npy")
    assert score.values == {"error": 3.0, "gain": -1.0, "submission_mb": size / 1e6}
    assert score.errors == {"error": 0.25}


def test_a_trusted_submission_is_loaded_beside_the_targets(spec: JudgeSpec) -> None:
    measure = f"{IMPORT}measure.report(error=measure.submission(1) - 2)"
    prepare(spec.dataset, measure, trusted=True)
    score = scoring.score(submit(spec))
    assert (score.value, score.trusted) == (0.0, True)


@pytest.mark.slow
def test_later_weeks_tell_nothing_of_earlier_ones(spec: JudgeSpec, tmp_path: Path) -> None:
    prepared = prepare_task(ROOT, "examples/own_model", tmp_path / "home")
    score = scoring.score(submit(replace(spec, dataset=prepared), submissions.look_ahead))
    assert score.values["error"] == pytest.approx(3.0066, abs=1e-3)  # the last week is its answer


def test_a_fresh_predictor_remembers_nothing(spec: JudgeSpec) -> None:
    measure = (
        f"{IMPORT}first = measure.predict(0), measure.predict(0)\n"
        "measure.fresh()\n"
        "assert (*first, measure.predict([1, 2], rows=2)) == (1, 2, 1)\n"
        "measure.report(error=measure.seconds)"
    )
    prepare(spec.dataset, measure)
    assert scoring.score(submit(spec, submissions.Counts())).value > 0


NOT, BAD = Reason.NOT_MEASURED, Reason.BAD_SUBMISSION

FAULTS = {
    "raises": (
        "1\n# %%\nsecret = 'hidden'\nraise ValueError(secret)", NOT,
        f"measure.ipynb raised ValueError in cell 2; {MEASURED_FILE} has all of it",
    ),
    "refuses": (f"{IMPORT}measure.refuse('two columns, please')", BAD, "two columns, please"),
    "reports twice, and goes on": (
        f"{IMPORT}measure.report(error=1.0)\ntry:\n    measure.report(error=0.0)\n"
        "except Exception:\n    pass",
        NOT, "error was reported twice; report each metric once",
    ),
    "exits": ("import os; os._exit(3)", NOT, "measure.ipynb: the kernel died in cell"),
    "takes memory": (
        "held = bytearray(600_000_000)\nimport time\ntime.sleep(60)", NOT,
        "measure.ipynb takes too much: ",
    ),
    "needs trust": (
        f"{IMPORT}measure.submission", NOT,
        "measure.submission needs `trusted = true` in task.toml",
    ),
    "executes": (
        f"{IMPORT}exec((measure.output / 'code.py').read_text())", NOT,
        "raised UntrustedError in cell 1: code that was handed over is not run here",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("measure", "reason", "words"), FAULTS.values(), ids=FAULTS)
def test_a_fault_of_the_measurement_is_one_line(
    measure: str, reason: Reason, words: str, spec: JudgeSpec
) -> None:
    prepare(spec.dataset, measure, measure_memory_mb=500)
    (spec.output / "code.py").write_text("print('handed over')")
    found, detail = refusal(submit(spec))
    assert (found, words in detail, "\n" in detail) == (reason, True, False), detail
    assert "hidden" not in detail


def test_a_measurement_that_hangs_is_ended(spec: JudgeSpec) -> None:
    prepare(spec.dataset, "import time\ntime.sleep(600)")
    found, detail = refusal(submit(replace(spec, seconds=3)))
    assert (found, detail) == (NOT, "measure.ipynb did not end within 3 s (measure_seconds)")


@pytest.mark.slow
def test_a_submission_that_hangs_is_named_as_the_reason(spec: JudgeSpec) -> None:
    prepare(spec.dataset)
    found, detail = refusal(submit(replace(spec, seconds=10), Does(submissions.hang)))
    assert (found, "the submission gave no answer" in detail) == (Reason.OVER_BUDGET, True)


def test_a_failure_stands_whatever_the_notebook_does(spec: JudgeSpec) -> None:
    measure = (
        f"{IMPORT}try:\n    measure.predict(1)\nexcept Exception:\n    pass\n"
        "try:\n    measure.report(error=0.0)\nexcept Exception:\n    pass"
    )
    prepare(spec.dataset, measure)
    assert refusal(submit(spec, Does(submissions.fail))) == (BAD, "ValueError: no such row")


def test_a_flood_of_output_is_cut(spec: JudgeSpec) -> None:
    flood = "for _ in range(300):\n    print('x' * 100_000)\n"
    prepare(spec.dataset, f"{flood}\n# %%\n{MEASURE}")
    assert scoring.score(submit(spec)).value == 0.0
    assert (spec.folder / MEASURED_FILE).stat().st_size < 1_000_000


@pytest.mark.parametrize("kind", ["link", "pipe", "hard link"])
def test_only_plain_files_are_handed_over(kind: str, spec: JudgeSpec) -> None:
    """A link among them could have hidden data taken for a submission."""
    prepare(spec.dataset)
    hidden, handed = spec.dataset / "hidden" / "y.npy", spec.output / "answer.npy"
    if kind == "link":
        handed.symlink_to(hidden)
    elif kind == "pipe":
        __import__("os").mkfifo(handed)
    else:
        handed.hardlink_to(hidden)
    assert refusal(submit(spec)) == (BAD, "output/: answer.npy is not a plain file")


@bubblewrapped
def test_a_measurement_has_no_way_out(spec: JudgeSpec) -> None:
    """Let it write to its scratch copy only, and reach no network and no other file."""
    home = Path.home()
    measure = f"""{IMPORT}
import socket, pathlib
open("scratch.txt", "w").write("mine")
for path in (measure.hidden, measure.data, measure.output, {str(home)!r}):
    try:
        open(f"{{path}}/new", "w").write("x")
    except OSError:
        continue
    raise SystemExit("written")
try:
    socket.create_connection(("127.0.0.1", 22), timeout=5)
except OSError as error:
    assert "unreachable" in str(error) or "refused" in str(error), error
assert not pathlib.Path({str(spec.submission)!r}).exists()
assert not pathlib.Path({str(spec.dataset / "task.json")!r}).exists()
measure.report(error=len(list(pathlib.Path({str(spec.folder)!r}).iterdir())))
"""
    prepare(spec.dataset, measure)
    assert scoring.score(submit(spec)).value == 2  # the scratch folder, and what was handed over
    assert not (spec.folder / "scratch" / "measure" / "scratch.txt").exists()


@pytest.mark.parametrize("level", [SandboxLevel.NONE, bubblewrap.level()])
def test_what_a_submission_prints_is_no_metric(level: SandboxLevel, spec: JudgeSpec) -> None:
    prepare(spec.dataset, MEASURE.replace("error=", "error=1 + "))
    asked = submit(replace(spec, sandbox=level), Does(submissions.forge))
    assert scoring.score(asked).value == 1.0
