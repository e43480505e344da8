"""Test what a predictor's judge makes of submissions: real processes in their sandbox."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Protocol

import cloudpickle
import numpy as np
import psutil
import pytest
import torch

from autoresearch_kit.execution import machine_probe
from autoresearch_kit.execution.judge import scoring, task_predictor_process
from autoresearch_kit.execution.judge.scoring import JudgeSpec, ScoreFailure
from autoresearch_kit.execution.judge.task_predictor_process import TaskPredictor
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.measuring import values
from autoresearch_kit.records import LANGUAGE_MODELLING, Accelerator, Reason, TaskInfo
from tests.execution.judge.measured import submissions
from tests.execution.judge.measured.submissions import Does

X = np.linspace(-1, 1, 50)

MOST = 1_000_000

bubblewrapped = pytest.mark.skipif(bool(bubblewrap.why_not()), reason=bubblewrap.why_not())


class Start(Protocol):
    def __call__(
        self,
        submission: object,
        seconds: float = 60.0,
        answer_seconds: float = 60.0,
        gpu: Accelerator | None = None,
    ) -> TaskPredictor: ...


@pytest.fixture
def start(spec: JudgeSpec) -> Iterator[Start]:
    started = []

    def start_predictor(
        submission: object,
        seconds: float = 60.0,
        answer_seconds: float = 60.0,
        gpu: Accelerator | None = None,
    ) -> TaskPredictor:
        spec.submission.write_bytes(cloudpickle.dumps(submission))
        device = "cuda" if gpu else "cpu"
        asked = replace(spec, seconds=seconds, answer_seconds=answer_seconds)
        asked = replace(asked, gpu=gpu, device=device)
        started.append(task_predictor_process.start(asked, spec.output))
        started[-1].deadline = time.monotonic() + seconds
        return started[-1]

    yield start_predictor
    for predictor in started:
        predictor.end()


def ask(predictor: TaskPredictor, inputs: object = X, module: str = "numpy") -> object:
    data, answer = cloudpickle.dumps(inputs), bytearray()
    predictor.predict(len(data), [memoryview(data)], module, MOST, lambda _: None, answer.extend)
    return values.decode(answer)


def refusal(act: Callable[[], object]) -> tuple[Reason, str]:
    with pytest.raises(ScoreFailure) as caught:
        act()
    return caught.value.reason, caught.value.detail


@pytest.mark.parametrize(
    "submission",
    [submissions.double, submissions.Model(), Does(submissions.print_much), Does(submissions.fork)],
    ids=["function", "method", "prints", "forks"],
)
def test_answers_are_the_submissions(submission: object, start: Start) -> None:
    predictor = start(submission)
    np.testing.assert_array_equal(ask(predictor), 2 * X)
    np.testing.assert_array_equal(ask(predictor, X[:3]), 2 * X[:3])
    assert predictor.parameters is None


@pytest.mark.parametrize("build", [submissions.Twice, submissions.Wraps])
def test_a_modules_parameters_are_counted_wherever_it_is(
    build: Callable[[], object], start: Start
) -> None:
    predictor = start(build())
    np.testing.assert_allclose(np.asarray(ask(predictor)), 2 * X)
    assert predictor.parameters == 2


def test_time_is_counted_from_outside(start: Start) -> None:
    """Forged clocks change nothing."""

    def slow() -> None:
        end = time.perf_counter() + 0.3
        while time.perf_counter() < end:
            pass
        time.monotonic = time.perf_counter = lambda: 0.0

    predictor = start(Does(slow))
    data = cloudpickle.dumps(X)
    took = predictor.predict(
        len(data), [memoryview(data)], "numpy", MOST, lambda _: None, lambda _: None
    )
    assert took >= 0.3


@pytest.mark.parametrize(
    "submission",
    [Does(submissions.train_on), submissions.Loads(partial(submissions.train_on, 3))],
    ids=["asked", "loaded"],
)
def test_training_while_it_is_measured_is_over_its_budget(submission: object, start: Start) -> None:
    """Loading and all answers count together, however long the measurement may take."""
    predictor = start(submission, answer_seconds=2)
    reason, detail = refusal(lambda: [ask(predictor) for _ in range(3)])
    assert reason is Reason.OVER_BUDGET
    assert "took more than 2 s to load, to answer and in between" in detail


def test_training_between_questions_is_over_its_budget(start: Start) -> None:
    predictor = start(Does(submissions.train_unasked), answer_seconds=1)
    ask(predictor)
    *_, process = predictor.processes()
    asked = process.cpu_times().user
    while process.cpu_times().user < asked + 1.5:  # until it has trained
        pass
    assert refusal(lambda: ask(predictor))[0] is Reason.OVER_BUDGET


def test_training_in_place_of_an_import_is_over_its_budget(start: Start) -> None:
    predictor = start(submissions.Loads(submissions.train_on_import), answer_seconds=1)
    np.testing.assert_array_equal(ask(predictor), 2 * X)
    assert refusal(lambda: ask(predictor, module="pandas"))[0] is Reason.OVER_BUDGET


@pytest.mark.parametrize(
    ("told", "train_seconds", "allowed"), [(None, 20, 10), (None, 3000, 300), (5.0, 3000, 5)]
)
def test_a_submission_may_take_a_tenth_of_the_budget(
    told: float | None, train_seconds: float, allowed: float
) -> None:
    info = TaskInfo(LANGUAGE_MODELLING, data="d", measurement="m", submission_seconds=told)
    assert scoring.answer_seconds(info, train_seconds) == allowed


def test_a_fresh_process_has_its_seconds_anew(start: Start) -> None:
    for _ in range(2):
        predictor = start(Does(submissions.train_on), answer_seconds=2)
        np.testing.assert_array_equal(ask(predictor), 2 * X)


def test_importing_the_inputs_type_is_not_the_submissions_time(start: Start) -> None:
    predictor = start(submissions.loaded)
    assert ask(predictor, module="pandas") is True
    assert ask(start(submissions.loaded)) is False
    assert ask(start(submissions.loaded), module="no.such") is False


BAD = Reason.BAD_SUBMISSION

FAULTS: dict[str, tuple[object, Reason, str]] = {
    "raises": (Does(submissions.fail), BAD, "ValueError: no such row"),
    "can't be called": (7, BAD, "submitted was of type int, which has no `predict`"),
    "returns an object": (submissions.nothing, BAD, "returned something of type object; numbers"),
    "returns too much": (submissions.much, BAD, "answer has 2.0 MB, 1 allowed"),
    "ends": (Does(submissions.leave), BAD, "the submission's process ended with status 7"),
    "is killed": (Does(submissions.die), Reason.OUT_OF_MEMORY, "the system killed"),
    "takes memory": (
        Does(submissions.take_memory), Reason.OUT_OF_MEMORY, "1,000 allowed",
    ),
    "forks without end": (
        Does(submissions.fork_many), Reason.OUT_OF_PROCESSES, "512 allowed",
    ),
    "hangs up": (Does(submissions.close_connection), BAD, "closed its connection to the judge"),
    "replies falsely": (Does(submissions.reply_falsely), BAD, "wrote a false reply"),
    "replies without end": (Does(submissions.reply_without_end), BAD, "wrote a false reply"),
    "speaks for the kit": (Does(submissions.reply_for_the_kit), BAD, "not my fault"),
    "claims a huge answer": (
        Does(submissions.reply_with_too_much), BAD, "has 1,000,000.0 MB, 1 allowed",
    ),
    "counts falsely": (submissions.Loads(submissions.count_falsely), BAD, "wrote a false reply"),
    "fails when loaded": (submissions.Loads(submissions.fail), BAD, "ValueError: no such row"),
}  # fmt: skip

LONG = ("hangs up", "forks without end", "takes memory")


@pytest.mark.parametrize(
    ("submission", "reason", "words"),
    [
        pytest.param(*fault, id=name, marks=pytest.mark.slow if name in LONG else ())
        for name, fault in FAULTS.items()
    ],
)
def test_a_fault_is_the_submissions(
    submission: object, reason: Reason, words: str, start: Start
) -> None:
    predictor = start(submission)
    found, detail = refusal(lambda: ask(predictor))
    assert (found, words in detail) == (reason, True), detail


@pytest.mark.parametrize(
    "submission",
    [Does(submissions.hang), submissions.Loads(submissions.hang)],
    ids=["asked", "loaded"],
)
def test_a_submission_that_hangs_is_over_budget(submission: object, start: Start) -> None:
    predictor = start(submission, seconds=2)
    assert refusal(lambda: ask(predictor)) == (
        Reason.OVER_BUDGET,
        "the submission gave no answer within the 2 s that a measurement may take",
    )


def test_an_answer_before_its_question_is_false(start: Start) -> None:
    predictor = start(Does(submissions.reply_before_it_is_asked))
    ask(predictor)
    while not predictor.ahead:  # until it has come
        predictor.ahead = predictor.read(1, predictor.deadline)
    assert refusal(lambda: ask(predictor)) == (BAD, "the submission wrote a false reply")


def test_nothing_submitted_is_one_line(spec: JudgeSpec, start: Start) -> None:
    predictor = start(None)
    spec.submission.write_bytes(b"")
    assert refusal(lambda: ask(predictor)) == (
        BAD, "nothing was submitted that could be asked, only files",
    )  # fmt: skip


@bubblewrapped
def test_it_sees_its_files_and_nothing_of_the_task(spec: JudgeSpec, start: Start) -> None:
    hidden = spec.dataset / "hidden"
    hidden.mkdir(parents=True)
    (hidden / "targets.npy").write_bytes(b"secret")
    (spec.output / "mine-targets.npy").write_bytes(b"known")
    guesses = (str(spec.dataset), str(hidden / "targets.npy"), str(spec.folder / "judge.json"))
    assert ask(start(submissions.Seeks("targets.npy", *guesses))) == [
        f"{top}{spec.output}/mine-targets.npy" for top in ("", "/proc/1/root", "/proc/self/cwd")
    ]


@bubblewrapped
def test_it_sees_no_process_but_its_own(start: Start) -> None:
    seen = ask(start(submissions.processes))
    assert isinstance(seen, list)
    assert all("task_predictor" in line for line in seen)
    assert ask(start(submissions.descriptors)) == []


@bubblewrapped
def test_its_files_and_its_own_pickle_are_read_only(spec: JudgeSpec, start: Start) -> None:
    (spec.output / "weights").write_bytes(b"w")
    output, submission = str(spec.output), str(spec.submission)

    def write() -> None:
        from pathlib import Path

        for path in (f"{output}/weights", f"{output}/new", submission):
            try:
                Path(path).write_bytes(b"changed")
            except OSError:
                continue
            raise ValueError(f"{path} was written")

    np.testing.assert_array_equal(ask(start(Does(write))), 2 * X)


def test_a_fresh_one_remembers_nothing(spec: JudgeSpec, start: Start) -> None:
    predictor = start(submissions.Counts())
    assert [ask(predictor), ask(predictor)] == [1, 2]
    assert ask(start(submissions.Counts())) == 1


def test_children_end_with_it(spec: JudgeSpec, start: Start) -> None:
    predictor = start(Does(submissions.fork))
    ask(predictor)
    started = psutil.Process(predictor.process.pid).children(recursive=True)
    predictor.process.kill()
    _, left = psutil.wait_procs(started, timeout=10)
    assert not left or bool(bubblewrap.why_not())


@pytest.mark.gpu
def test_a_module_computes_on_the_runs_gpu(start: Start) -> None:
    gpu = machine_probe.gpu_of(torch.device("cuda"))
    predictor = start(submissions.Where(), gpu=gpu)
    assert ask(predictor) == "cuda:0"
