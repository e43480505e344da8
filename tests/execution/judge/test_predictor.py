"""Test a real predictor process, and what a model in it may do to it.

A predictor takes seconds to start, so that a model does several things in turn where it can.
"""

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

from autoresearch_kit.errors import SubmissionError
from autoresearch_kit.execution.judge import predictor_process, watched_predictor
from autoresearch_kit.execution.judge.exchange import Shape
from autoresearch_kit.execution.judge.logits import Buffer, FileBuffer, Floats, HostLogits, Logits
from autoresearch_kit.execution.judge.predictor import checked, load
from autoresearch_kit.execution.judge.predictor_process import PredictorProcess
from autoresearch_kit.execution.judge.scoring import JudgeSpec, ScoreFailure
from autoresearch_kit.machine.precision import autocast_to
from autoresearch_kit.records import Accelerator, Reason
from tests.execution.judge import cheats, models
from tests.execution.judge.conftest import submit

SHAPE = Shape(rows=4, context=models.CONTEXT, vocab_size=models.VOCAB_SIZE)
INPUTS = np.random.default_rng(0).integers(0, models.VOCAB_SIZE, (4, models.CONTEXT))
GPU = Accelerator("cuda", (9, 0), 85_000, uuid="GPU-1")

linux = pytest.mark.skipif(sys.platform != "linux", reason="finds descriptors in /proc")


class Start(Protocol):
    def __call__(self, spec: JudgeSpec, *buffers: Buffer) -> PredictorProcess: ...


@pytest.fixture
def start() -> Iterator[Start]:
    started = []

    def start_predictor(spec: JudgeSpec, *buffers: Buffer) -> PredictorProcess:
        started.append(predictor_process.start(spec))
        started[-1].begin(buffers or [FileBuffer(SHAPE, spec.precision or "float32")])
        return started[-1]

    yield start_predictor
    for predictor in started:
        predictor.end()


def refusal(ask: Callable[[], object]) -> ScoreFailure:
    with pytest.raises(ScoreFailure) as caught:
        ask()
    return caught.value


def refusals(predictor: PredictorProcess, count: int = 1) -> list[tuple[Reason, str]]:
    """Load the model, ask so many times, and return the reason and detail of each failure."""
    predictor.load()
    failures = [refusal(lambda: predictor.predict(INPUTS)) for _ in range(count)]
    return [(failure.reason, failure.detail) for failure in failures]


def by_hand(model: nn.Module, precision: torch.dtype = torch.float32) -> Floats:
    with torch.inference_mode(), autocast_to(torch.device("cpu"), precision):
        logits: torch.Tensor = model.eval()(torch.from_numpy(INPUTS))
    return logits.float().numpy()


def same(logits: Logits, expected: Floats) -> bool:
    assert isinstance(logits, HostLogits)
    return np.array_equal(logits.array, expected)


class NotHere(FileBuffer):
    """Memory of a GPU that is not there."""

    def __init__(self) -> None:
        super().__init__(SHAPE, "float32")
        self.terms = replace(self.terms, device_bytes=2**21)

    def share(self, memory: int, gpu_socket: socket.socket) -> None:
        socket.send_fds(gpu_socket, [b"logits"], [memory])


class Unmarked(FileBuffer):
    """A file in which the predictor does not find the judge's mark."""

    def __init__(self) -> None:
        super().__init__(SHAPE, "float32")

    def share(self, memory: int, gpu_socket: socket.socket) -> None:
        pass


def test_logits_are_the_models_whatever_it_prints(spec: JudgeSpec, start: Start) -> None:
    predictor = start(submit(spec, cheats.Does(cheats.print_much)))
    predictor.load()
    assert same(predictor.predict(INPUTS), by_hand(models.Honest()))
    assert same(predictor.predict(INPUTS[:3]), by_hand(models.Honest())[:3])
    assert len(predictor.tail) <= watched_predictor.TAIL_BYTES


def test_an_unusable_buffer_is_left_for_the_next(
    spec: JudgeSpec, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    asked = replace(submit(spec, models.Honest()), precision="bfloat16")
    predictor = start(asked, NotHere(), FileBuffer(SHAPE, "bfloat16"))
    predictor.load()
    assert "no CUDA device" in caplog.text
    assert same(predictor.predict(INPUTS), by_hand(models.Honest(), torch.bfloat16))
    assert same(predictor.predict_full(INPUTS), by_hand(models.Honest()))


def test_memory_that_is_not_the_judges_is_the_kits_failure(spec: JudgeSpec, start: Start) -> None:
    failure = refusal(start(submit(spec, models.Honest()), Unmarked()).load)
    assert failure.reason is Reason.KIT_FAILED
    assert "does not see what the judge has written there" in failure.detail


def test_a_predictor_without_the_runs_gpu_is_the_kits_failure(
    spec: JudgeSpec, start: Start
) -> None:
    failure = refusal(start(replace(submit(spec, models.Honest()), device="cuda", gpu=GPU)).load)
    assert failure.reason is Reason.KIT_FAILED
    assert "this run is to compute on 'cuda', and torch finds only 'cpu'" in failure.detail


def test_nothing_is_unpickled_before_the_judge_says_so(spec: JudgeSpec, start: Start) -> None:
    predictor = start(submit(spec, models.Honest()))
    spec.submission.write_bytes(spec.submission.read_bytes()[:-20])
    failure = refusal(predictor.load)
    assert failure.reason is Reason.BAD_SUBMISSION
    assert "pickle data was truncated" in failure.detail


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "submission").write_bytes(cloudpickle.dumps({"not": "a model"}))
    with pytest.raises(SubmissionError, match=r"submitted was a dict, not a torch\.nn\.Module"):
        load(tmp_path / "submission", torch.device("cpu"))


@pytest.mark.parametrize("what", cheats.CHANGES)
def test_anything_but_logits_is_refused(what: str) -> None:
    logits = torch.zeros(4, models.CONTEXT, models.VOCAB_SIZE)
    with pytest.raises(SubmissionError, match=r"the model returned.*\[4, 32, 64\]"):
        checked(cheats.CHANGES[what](logits), logits.shape)


@linux
def test_each_failure_of_a_model_has_its_reason(spec: JudgeSpec, start: Start) -> None:
    acts = (
        cheats.fail, cheats.CHANGES["tuple"], cheats.demand, cheats.grow, cheats.tell_gpu,
        cheats.exit_hard,
    )  # fmt: skip
    predictor = start(replace(submit(spec, cheats.Does(*acts)), gpu=GPU))
    reasons, details = zip(*refusals(predictor, len(acts)), strict=True)
    assert [reason is Reason.BAD_SUBMISSION for reason in reasons] == [1, 1, 0, 1, 1, 1]
    assert reasons[2] is Reason.OUT_OF_MEMORY
    assert details[0].startswith("ValueError: told you [31mso !!!")
    assert len(details[0]) <= 300
    assert details[0].isprintable()
    assert details[1].startswith("the model returned a tuple")
    assert details[3].startswith("PermissionError: [Errno 1]")
    assert details[4] == "ValueError: sees 'GPU-1'"
    assert details[5].startswith("the model's process ended with status 7")


@pytest.mark.parametrize(
    ("act", "detail"),
    [
        (cheats.exit_softly, "SystemExit: 0"),
        (cheats.hang_up, "the model closed its connection to the judge"),
        (cheats.crash, "the model's process ended with status"),
        pytest.param(cheats.lie, "the model wrote a false reply", marks=linux),
    ],
)
@pytest.mark.slow
def test_a_model_that_breaks_its_process_is_refused(
    act: cheats.Act, detail: str, spec: JudgeSpec, start: Start
) -> None:
    [(reason, told)] = refusals(start(submit(spec, cheats.Does(act))))
    assert reason is Reason.BAD_SUBMISSION
    assert told.startswith(detail)
    if act is cheats.crash:
        assert any(str(status) in told for status in (-signal.SIGSEGV, 128 + signal.SIGSEGV))


@pytest.mark.slow
def test_an_answer_and_scoring_as_a_whole_are_bounded(spec: JudgeSpec, start: Start) -> None:
    predictor = start(replace(submit(spec, cheats.Does(cheats.sleep)), answer_seconds=2))
    late = (Reason.BAD_SUBMISSION, "the model gave no answer for 2 s")
    assert refusals(predictor) == [late]
    predictor.deadline = time.monotonic() + 1
    failure = refusal(lambda: predictor.predict(INPUTS))
    assert failure.reason is Reason.BAD_SUBMISSION
    assert failure.detail == "scoring took longer than 240 s"


@pytest.mark.slow
def test_a_model_that_takes_all_memory_is_stopped(spec: JudgeSpec, start: Start) -> None:
    [(reason, _)] = refusals(
        start(replace(submit(spec, cheats.Does(cheats.allocate)), memory_mb=700))
    )
    assert reason is Reason.OUT_OF_MEMORY


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


@linux
def test_a_predictor_ends_with_its_judge(spec: JudgeSpec, start: Start) -> None:
    """Keep its requests open: it need not look at them."""
    submit(spec, models.Honest())
    process = start(spec).process
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait() == 1


@pytest.mark.slow
def test_nothing_around_a_predictor_tells_it_from_the_next(spec: JudgeSpec, start: Start) -> None:
    submit(spec, cheats.Does(cheats.tell_surroundings))
    with ExitStack() as held:  # the numbers of shared descriptors must not move with what is open
        for _ in range(100):
            held.enter_context(Path(os.devnull).open())
        first, second = start(spec), start(spec)
        assert first.process.args == second.process.args
        assert refusals(first) == refusals(second)
