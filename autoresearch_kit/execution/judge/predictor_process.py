"""The judge's side of a predictor: start it, ask it, bound what it takes, end it."""

import fcntl
import logging
import os
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from autoresearch_kit.execution.judge import exchange
from autoresearch_kit.execution.judge.exchange import PredictorSpec, Reply, Shape
from autoresearch_kit.execution.judge.logits import Buffer, Ints, Logits
from autoresearch_kit.execution.judge.scoring import JudgeSpec
from autoresearch_kit.execution.judge.watched_predictor import REPLY_BYTES, WatchedPredictor, launch
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.records import codec

logger = logging.getLogger(__name__)

MODULE = "autoresearch_kit.execution.judge.predictor"

FIRST_END = 200
"""The lowest descriptor that a predictor gets: above all that a judge holds open, and below the 256
that macOS allows."""

NO_COMPILE = {"TORCH_COMPILE_DISABLE": "1"}
"""Scoring runs a compiled model as written: compiling it twice more takes longer than scoring."""


@dataclass(kw_only=True)
class PredictorProcess(WatchedPredictor):
    """One predictor in its sandbox. Used from one thread; every failure is a `ScoreFailure`.

    `precision` is the precision that it computes in, empty before it is ready. `loading` and
    `answers` are the seconds that the submission has taken so far, `parameters` how many it says
    that it has.
    """

    memory: int
    gpu_socket: socket.socket
    offered: list[Buffer] = field(default_factory=list, repr=False)
    precision: str = ""
    loading: float = 0.0
    answers: list[float] = field(default_factory=list, repr=False)
    parameters: int = 0

    @property
    def buffer(self) -> Buffer:
        """Return the buffer of the predictor's logits."""
        return self.offered[0]

    @property
    def shape(self) -> Shape:
        """Return the shape of the batches that the predictor gets."""
        return self.buffer.terms.shape

    def begin(self, buffers: Sequence[Buffer]) -> None:
        """Begin the predictor's turn: it may use a GPU now, and its time is counted.

        `buffers` are offered for its logits, the best first.

        Raises:
            ScoreFailure: it died before.
        """
        self.deadline = time.monotonic() + self.spec.seconds
        self.offered = list(buffers)
        exchange.resize(self.memory, self.shape.size)
        self._offer()

    def await_ready(self) -> None:
        """Wait until the predictor has its device, and a buffer for logits that it can use.

        Raises:
            ScoreFailure: the kit's part of it did not start.
        """
        while not self.precision:
            reply = self._reply(self.deadline)
            self.precision = reply.precision
            if reply.failure is not None:
                if len(self.offered) == 1:
                    self.fail(reply.detail)
                logger.warning("logits take another, slower way: %s", reply.detail)
                del self.offered[0]
                self._offer()

    def load(self) -> None:
        """Make the predictor load the submission, once it is ready.

        Raises:
            ScoreFailure: the kit's part of it did not start, or the submission can't be loaded.
        """
        self.await_ready()
        self.loaded = True
        self.loading = self._ask(exchange.LOAD)

    def predict(self, inputs: Ints) -> Logits:
        """Return the logits for inputs `[b, T]`, b at most B: a copy, until the next call.

        The model is always asked for B rows, the last one repeated, for what it computes may depend
        on the shape.

        Raises:
            ScoreFailure: it died, hung, took too much memory, or returned something else.
        """
        return self._predict(inputs, exchange.PREDICT)

    def predict_full(self, inputs: Ints) -> Logits:
        """Return logits that are computed in float32, as far as the model lets that be."""
        return self._predict(inputs, exchange.PREDICT_FULL)

    def end(self) -> None:
        """Kill the predictor and all that it started, and release what was shared."""
        super().end()
        os.close(self.memory)
        self.gpu_socket.close()

    def _offer(self) -> None:
        self.buffer.share(self.memory, self.gpu_socket)
        self._request(self.buffer.terms.line())

    def _predict(self, inputs: Ints, request: bytes) -> Logits:
        count = len(inputs)
        full = np.pad(inputs, ((0, self.shape.rows - count), (0, 0)), mode="edge")
        os.pwrite(self.memory, full.tobytes(), 0)
        self.answers.append(self._ask(request))
        return self.buffer.take(count)

    def _ask(self, request: bytes) -> float:
        """Send a request and return the seconds until its answer came."""
        asked = time.monotonic()
        self._request(request)
        reply = self._reply(min(self.deadline, asked + self.spec.answer_seconds))
        self.check(reply.failure, reply.detail)
        self.parameters = self.parameters if reply.parameters is None else reply.parameters
        return time.monotonic() - asked

    def _request(self, request: bytes) -> None:
        self.write(memoryview(request), self.deadline)

    def _reply(self, limit: float) -> Reply:
        """Return the next reply; meanwhile read the predictor's prints, and watch its memory."""
        line = b""
        while not line.endswith(b"\n"):
            line += self.read(REPLY_BYTES - len(line), limit)
        return self.decoded(Reply, line)


def start(spec: JudgeSpec) -> PredictorProcess:
    """Start a fresh predictor, which loads nothing yet."""
    memory = exchange.shared_memory()
    (requests, ask), (answer, replies), (printed, printing) = os.pipe(), os.pipe(), os.pipe()
    gpu_socket, theirs = socket.socketpair()
    # copied to numbers that are the same for each predictor: they must tell nothing
    ours = (memory, requests, replies, theirs.fileno())
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, FIRST_END) for end in ours]
    predictor_spec = PredictorSpec(spec.submission, spec.device, *ends)
    process = launch(_command(spec, predictor_spec), printing, ends)
    theirs.close()
    for descriptor in (*ends, requests, replies, printing):
        os.close(descriptor)
    return PredictorProcess(
        process=process,
        spec=spec,
        requests=ask,
        replies=answer,
        printed=printed,
        memory=memory,
        gpu_socket=gpu_socket,
    )


def _command(spec: JudgeSpec, predictor_spec: PredictorSpec) -> list[str]:
    env = bubblewrap.environment(
        home=Path("/tmp"),
        kit=spec.kit,
        run_id=spec.run_id,
        gpu=spec.gpu,
        more=NO_COMPILE | bubblewrap.SLEEPING_THREADS,
    )
    argv = [sys.executable, "-P", "-m", MODULE, codec.encode(predictor_spec).decode()]
    shown = [spec.kit / "autoresearch_kit", spec.submission]
    return bubblewrap.command(
        spec.sandbox, argv, read_only=shown, visible=spec.visible, gpu=spec.gpu, env=env
    )
