"""A real predictor process, and what a model in it may do to it."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import cloudpickle
import numpy as np
import psutil
import pytest
import torch
from torch import nn

from autoresearch_kit.execution.judge import predictor_process
from autoresearch_kit.execution.judge.exchange import Shape
from autoresearch_kit.execution.judge.grading import JudgeSpec, ScoreFailure
from autoresearch_kit.execution.judge.logits import Floats, HostLogits, InFile, Logits, Place
from autoresearch_kit.execution.judge.predictor_process import PredictorProcess
from autoresearch_kit.machine.precision import autocast_to
from autoresearch_kit.records import Accelerator, Reason
from tests.execution.judge import cheats, models
from tests.execution.judge.conftest import submit

SHAPE = Shape(rows=4, context=models.CONTEXT, vocab_size=models.VOCAB_SIZE)
INPUTS = np.random.default_rng(0).integers(0, models.VOCAB_SIZE, (4, models.CONTEXT))

linux = pytest.mark.skipif(sys.platform != "linux", reason="finds descriptors in /proc")


class Start(Protocol):
    def __call__(self, spec: JudgeSpec, *places: Place) -> PredictorProcess: ...


@pytest.fixture
def start() -> Iterator[Start]:
    started = []

    def start_one(spec: JudgeSpec, *places: Place) -> PredictorProcess:
        started.append(predictor_process.start(spec))
        started[-1].begin(places or [InFile(SHAPE, spec.precision or "float32")])
        return started[-1]

    yield start_one
    for predictor in started:
        predictor.end()


def refusal(predictor: PredictorProcess) -> ScoreFailure:
    def ask() -> None:
        predictor.load()
        predictor.predict(INPUTS)

    with pytest.raises(ScoreFailure) as caught:
        ask()
    return caught.value


def by_hand(model: nn.Module, precision: torch.dtype = torch.float32) -> Floats:
    with torch.inference_mode(), autocast_to(torch.device("cpu"), precision):
        logits: torch.Tensor = model.eval()(torch.from_numpy(INPUTS))
    return logits.float().numpy()


def same(logits: Logits, expected: Floats) -> bool:
    assert isinstance(logits, HostLogits)
    return np.array_equal(logits.array, expected)


class NotHere(InFile):
    """Memory of a GPU that is not there."""

    def __init__(self) -> None:
        super().__init__(SHAPE, "float32")
        self.terms = replace(self.terms, device_bytes=2**21)

    def open(self, memory: int, door: socket.socket) -> None:
        socket.send_fds(door, [b"logits"], [memory])


class Unmarked(InFile):
    """A file in which the predictor does not find the judge's mark."""

    def __init__(self) -> None:
        super().__init__(SHAPE, "float32")

    def open(self, memory: int, door: socket.socket) -> None:
        pass


def test_logits_are_the_models(spec: JudgeSpec, start: Start) -> None:
    predictor = start(submit(spec, models.Honest()))
    predictor.load()
    assert same(predictor.predict(INPUTS), by_hand(models.Honest()))


def test_a_short_batch_is_filled_up_for_the_model_only(spec: JudgeSpec, start: Start) -> None:
    predictor = start(submit(spec, models.Honest()))
    predictor.load()
    assert same(predictor.predict(INPUTS[:3]), by_hand(models.Honest())[:3])


def test_a_place_that_the_predictor_cannot_use_is_left_for_the_next(
    spec: JudgeSpec, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    predictor = start(submit(spec, models.Honest()), NotHere(), InFile(SHAPE, "float32"))
    predictor.load()
    assert "no CUDA device" in caplog.text
    assert same(predictor.predict(INPUTS), by_hand(models.Honest()))


def test_memory_that_is_not_the_judges_is_the_kits_failure(spec: JudgeSpec, start: Start) -> None:
    failure = refusal(start(submit(spec, models.Honest()), Unmarked()))
    assert failure.reason is Reason.KIT_FAILED
    assert "what the judge has written there is not to be seen" in failure.detail


@pytest.mark.slow
def test_a_model_predicts_in_the_asked_precision_and_in_float32(
    spec: JudgeSpec, start: Start
) -> None:
    predictor = start(replace(submit(spec, models.Honest()), precision="bfloat16"))
    predictor.load()
    assert same(predictor.predict(INPUTS), by_hand(models.Honest(), torch.bfloat16))
    assert same(predictor.predict_full(INPUTS), by_hand(models.Honest()))


@pytest.mark.slow
def test_a_model_that_knows_no_float32_goes_on_in_its_own_precision(
    spec: JudgeSpec, start: Start
) -> None:
    predictor = start(replace(submit(spec, models.HalfHead()), precision="bfloat16"))
    predictor.load()
    with pytest.raises(ScoreFailure, match="dtype"):
        predictor.predict_full(INPUTS)
    assert same(predictor.predict(INPUTS), by_hand(models.HalfHead(), torch.bfloat16))


def test_nothing_is_unpickled_before_the_judge_says_so(spec: JudgeSpec, start: Start) -> None:
    predictor = start(submit(spec, cheats.Does(cheats.fail)))
    spec.submission.write_bytes(cloudpickle.dumps({"not": "a model"}))
    assert "dict" in refusal(predictor).detail


@pytest.mark.parametrize("what", cheats.CHANGES)
@pytest.mark.slow
def test_anything_but_logits_is_refused(what: str, spec: JudgeSpec, start: Start) -> None:
    failure = refusal(start(submit(spec, cheats.Returns(cheats.CHANGES[what]))))
    assert failure.reason is Reason.BAD_SUBMISSION
    assert failure.detail.startswith("the model returned")
    assert "[4, 32, 64]" in failure.detail


def test_an_exception_is_told_in_one_line(spec: JudgeSpec, start: Start) -> None:
    failure = refusal(start(submit(spec, cheats.Does(cheats.fail))))
    assert failure.reason is Reason.BAD_SUBMISSION
    assert failure.detail.startswith("ValueError: told you [31mso !!!")
    assert len(failure.detail) <= 300
    assert failure.detail.isprintable()


@pytest.mark.parametrize(
    ("act", "detail"),
    [
        (cheats.exit_hard, "the model's process ended with status 7"),
        (cheats.exit_softly, "SystemExit: 0"),
        (cheats.hang_up, "the model closed its line to the judge"),
        pytest.param(cheats.lie, "the model wrote a false reply", marks=linux),
        pytest.param(cheats.grow, "PermissionError: [Errno 1]", marks=linux),
    ],
)
@pytest.mark.slow
def test_a_model_that_breaks_its_process_is_refused(
    act: Callable[[], object], detail: str, spec: JudgeSpec, start: Start
) -> None:
    failure = refusal(start(submit(spec, cheats.Does(act))))
    assert failure.reason is Reason.BAD_SUBMISSION
    assert failure.detail.startswith(detail)


@pytest.mark.slow
def test_a_segfault_is_told(spec: JudgeSpec, start: Start) -> None:
    failure = refusal(start(submit(spec, cheats.Does(cheats.crash))))
    assert failure.reason is Reason.BAD_SUBMISSION
    assert any(str(status) in failure.detail for status in (-signal.SIGSEGV, 128 + signal.SIGSEGV))


@pytest.mark.slow
def test_a_model_that_never_answers_is_given_up(spec: JudgeSpec, start: Start) -> None:
    patient = replace(submit(spec, cheats.Does(cheats.sleep)), batch_seconds=2)
    failure = refusal(start(patient))
    assert failure.reason is Reason.BAD_SUBMISSION
    assert failure.detail == "the model gave no answer for 2 s"


@pytest.mark.slow
def test_scoring_as_a_whole_is_bounded(spec: JudgeSpec, start: Start) -> None:
    predictor = start(submit(spec, cheats.Does(cheats.sleep)))
    predictor.load()
    predictor.deadline = time.monotonic() + 1
    with pytest.raises(ScoreFailure, match="scoring took longer than 240 s") as caught:
        predictor.predict(INPUTS)
    assert caught.value.reason is Reason.BAD_SUBMISSION


@pytest.mark.parametrize("act", [cheats.allocate, cheats.demand])
@pytest.mark.slow
def test_a_model_that_takes_all_memory_is_stopped(
    act: Callable[[], object], spec: JudgeSpec, start: Start
) -> None:
    failure = refusal(start(replace(submit(spec, cheats.Does(act)), memory_mb=700)))
    assert failure.reason is Reason.OUT_OF_MEMORY


@pytest.mark.slow
def test_prints_do_not_disturb(spec: JudgeSpec, start: Start) -> None:
    predictor = start(submit(spec, cheats.Does(cheats.chatter)))
    predictor.load()
    assert same(predictor.predict(INPUTS), by_hand(models.Honest()))
    assert len(predictor.tail) <= predictor_process.TAIL_BYTES


@linux
def test_logits_rewritten_after_the_answer_do_not_count(spec: JudgeSpec, start: Start) -> None:
    predictor = start(submit(spec, cheats.Does(cheats.overwrite_later)))
    predictor.load()
    logits = predictor.predict(INPUTS)
    until = time.monotonic() + 60
    while os.pread(predictor.memory, 4, SHAPE.logits_offset) != b"\x07\x07\x07\x07":
        assert time.monotonic() < until
    assert same(logits, by_hand(models.Honest()))


def test_children_go_with_their_model(spec: JudgeSpec, start: Start) -> None:
    predictor = start(submit(spec, cheats.Does(cheats.fork)))
    predictor.load()
    predictor.predict(INPUTS)
    tree = psutil.Process(predictor.process.pid).children(recursive=True)
    predictor.process.kill()
    psutil.wait_procs(tree, timeout=60)
    assert not any(process.is_running() for process in tree)


@pytest.mark.slow
def test_a_damaged_file_is_refused(spec: JudgeSpec, start: Start) -> None:
    spec.submission.write_bytes(cloudpickle.dumps(models.Honest())[:-20])
    failure = refusal(start(spec))
    assert failure.reason is Reason.BAD_SUBMISSION
    assert "pickle" in failure.detail


def test_a_predictor_without_the_run_s_gpu_is_the_kits_failure(
    spec: JudgeSpec, start: Start
) -> None:
    gpu = Accelerator("cuda", (9, 0), 85_000, uuid="GPU-none")
    failure = refusal(start(replace(submit(spec, models.Honest()), device="cuda", gpu=gpu)))
    assert failure.reason is Reason.KIT_FAILED
    assert "this run is to compute on 'cuda', and torch finds only 'cpu'" in failure.detail


def test_a_predictor_sees_the_run_s_gpu_only(spec: JudgeSpec, start: Start) -> None:
    gpu = Accelerator("cuda", (9, 0), 85_000, uuid="GPU-1")
    seen = replace(submit(spec, cheats.Does(cheats.tell_gpu)), gpu=gpu)
    assert "sees 'GPU-1'" in refusal(start(seen)).detail


@linux
@pytest.mark.slow
def test_nothing_around_a_predictor_tells_it_from_the_next(spec: JudgeSpec, start: Start) -> None:
    submit(spec, cheats.Does(cheats.tell_surroundings))
    with ExitStack() as held:  # the numbers of shared descriptors must not move with what is open
        for _ in range(100):
            held.enter_context(Path(os.devnull).open())
        first, second = start(spec), start(spec)
        assert first.process.args == second.process.args
        assert refusal(first).detail == refusal(second).detail


def test_a_predictor_that_does_not_start_is_the_kits_failure(spec: JudgeSpec, start: Start) -> None:
    nowhere = replace(submit(spec, models.Honest()), device="nowhere")
    failure = refusal(start(nowhere))
    assert failure.reason is Reason.KIT_FAILED
    assert "nowhere" in failure.detail
