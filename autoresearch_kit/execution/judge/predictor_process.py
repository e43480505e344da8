"""The judge's side of a predictor: start it, ask it, bound what it takes, end it."""

import fcntl
import logging
import math
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np
import psutil

from autoresearch_kit.errors import InputError
from autoresearch_kit.execution.judge import exchange
from autoresearch_kit.execution.judge.exchange import PredictorSpec, Reply, Shape
from autoresearch_kit.execution.judge.logits import Buffer, Ints, Logits
from autoresearch_kit.execution.judge.scoring import JudgeSpec, ScoreFailure
from autoresearch_kit.execution.runner.limits import MAX_PROCESSES, memory_mb
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.records import Reason, codec
from autoresearch_kit.records.text import one_line

logger = logging.getLogger(__name__)

MODULE = "autoresearch_kit.execution.judge.predictor"

LOOK_SECONDS = 0.25
"""Seconds between two looks at a predictor's memory."""

GRACE_SECONDS = 5.0
"""Seconds for a predictor that closed its pipe to be gone."""

TAIL_BYTES = 2000
"""Bytes that are kept of a predictor's output."""

FIRST_END = 200
"""The lowest descriptor that a predictor gets: above all that a judge holds open, and below the 256
that macOS allows."""

NO_COMPILE = {"TORCH_COMPILE_DISABLE": "1"}
"""Scoring runs a compiled model as written: compiling it twice more takes longer than scoring."""


@dataclass
class PredictorProcess:
    """One predictor in its sandbox. Used from one thread; every failure is a `ScoreFailure`.

    `precision` is the precision that it computes in, empty before it is ready. `loading` and
    `answers` are the seconds that the submission has taken so far, `parameters` how many it says
    that it has.
    """

    process: subprocess.Popen[bytes]
    spec: JudgeSpec
    memory: int
    requests: int
    replies: int
    printed: int
    door: socket.socket
    offered: list[Buffer] = field(default_factory=list, repr=False)
    deadline: float = math.inf
    precision: str = ""
    loaded: bool = False
    looked: float = 0.0
    tail: bytes = field(default=b"", repr=False)
    loading: float = 0.0
    answers: list[float] = field(default_factory=list, repr=False)
    parameters: int = 0

    @property
    def buffer(self) -> Buffer:
        """Return where it leaves its logits."""
        return self.offered[0]

    @property
    def shape(self) -> Shape:
        """Return the shape of the batches that it is asked for."""
        return self.buffer.terms.shape

    def begin(self, buffers: Sequence[Buffer]) -> None:
        """Tell it that its turn has come: it may use a GPU now, and its time is counted.

        `buffers` are offered for its logits, the best first.

        Raises:
            ScoreFailure: it died before.
        """
        self.deadline = time.monotonic() + self.spec.seconds
        self.offered = list(buffers)
        exchange.resize(self.memory, self.shape.size)
        self._offer()

    def await_ready(self) -> None:
        """Wait until it has its device, and a buffer for logits that it can use.

        Raises:
            ScoreFailure: the kit's part of it did not start.
        """
        while not self.precision:
            reply = self._await(self.deadline)
            self.precision = reply.precision
            if reply.failure is not None:
                if len(self.offered) == 1:
                    self._fail(reply.detail)
                logger.warning("logits take another, slower way: %s", reply.detail)
                del self.offered[0]
                self._offer()

    def load(self) -> None:
        """Have it load the submission, once it is ready.

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
        """Kill it and all that it started, and let go of what was shared."""
        with suppress(psutil.NoSuchProcess):
            for descendant in psutil.Process(self.process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    descendant.kill()
        self.process.kill()
        self.process.communicate()
        for descriptor in (self.memory, self.requests, self.replies, self.printed):
            os.close(descriptor)
        self.door.close()

    def _offer(self) -> None:
        self.buffer.share(self.memory, self.door)
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
        reply = self._await(min(self.deadline, asked + self.spec.batch_seconds))
        if reply.failure is not None:
            # the reply may be the model's own: it is not believed to be the kit's failure
            exhausted = reply.failure is Reason.OUT_OF_MEMORY
            reason = Reason.OUT_OF_MEMORY if exhausted else Reason.BAD_SUBMISSION
            raise ScoreFailure(reason, one_line(reply.detail, exchange.DETAIL_LENGTH))
        self.parameters = self.parameters if reply.parameters is None else reply.parameters
        return time.monotonic() - asked

    def _request(self, request: bytes) -> None:
        try:
            os.write(self.requests, request)
        except BrokenPipeError:
            self._died()

    def _await(self, limit: float) -> Reply:
        """Return the next reply; meanwhile read what it prints, and watch its memory."""
        line = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self.replies, selectors.EVENT_READ)
            selector.register(self.printed, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                ended = self.process.poll() is not None
                ready = {key.fd for key, _ in selector.select(LOOK_SECONDS)}
                if self.printed in ready:
                    printed = os.read(self.printed, 2**16)
                    self.tail = (self.tail + printed)[-TAIL_BYTES:]
                    if not printed:  # it has closed its output
                        selector.unregister(self.printed)
                if self.replies in ready:
                    data = os.read(self.replies, exchange.REPLY_BYTES - len(line))
                    line += data
                    ended = not data
                if ended:  # and all that it wrote before is read
                    self._died()
                self._check(limit)
        try:
            return codec.decode(Reply, line)
        except InputError as error:
            raise ScoreFailure(Reason.BAD_SUBMISSION, "the model wrote a false reply") from error

    def _check(self, limit: float) -> None:
        now = time.monotonic()
        if now > self.deadline:
            self._fail(f"scoring took longer than {self.spec.seconds:g} s")
        if now > limit:
            self._fail(f"the model gave no answer for {self.spec.batch_seconds:g} s")
        if now - self.looked > LOOK_SECONDS:
            self.looked = now
            self._check_memory()

    def _check_memory(self) -> None:
        processes = psutil.Process().children(recursive=True)
        if len(processes) > MAX_PROCESSES:
            detail = f"the model started {len(processes):,} processes, {MAX_PROCESSES} allowed"
            raise ScoreFailure(Reason.OUT_OF_PROCESSES, detail)
        used = memory_mb(processes)
        if used > self.spec.memory_mb:
            detail = f"the model took {used:,.0f} MB to score, {self.spec.memory_mb:,.0f} allowed"
            raise ScoreFailure(Reason.OUT_OF_MEMORY, detail)

    def _died(self) -> NoReturn:
        """Say how it ended; the system kills with SIGKILL, mostly when memory runs out."""
        try:
            status = self.process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._fail("the model closed its line to the judge")
        if self.loaded and status in (-9, 128 + 9):
            raise ScoreFailure(Reason.OUT_OF_MEMORY, "the system killed the model's process")
        words = self.tail.decode(errors="replace").strip().splitlines()
        said = f": {words[-1]}" if words else ""
        self._fail(f"the model's process ended with status {status}{said}")

    def _fail(self, detail: str) -> NoReturn:
        reason = Reason.BAD_SUBMISSION if self.loaded else Reason.KIT_FAILED
        raise ScoreFailure(reason, one_line(detail, exchange.DETAIL_LENGTH))


def start(spec: JudgeSpec) -> PredictorProcess:
    """Start a fresh predictor, which loads nothing yet."""
    memory = exchange.shared_memory()
    (requests, ask), (answer, replies), (printed, printing) = os.pipe(), os.pipe(), os.pipe()
    door, theirs = socket.socketpair()
    # copied to numbers that are the same for each predictor: they must tell nothing
    ours = (memory, requests, replies, theirs.fileno())
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, FIRST_END) for end in ours]
    told = PredictorSpec(spec.submission, spec.device, *ends)
    process = subprocess.Popen(
        _command(spec, told),
        stdin=subprocess.PIPE,  # by whose end it knows that this process is gone
        stdout=printing,
        stderr=printing,
        pass_fds=ends,
        start_new_session=True,
        cwd="/",
    )
    theirs.close()
    for descriptor in (*ends, requests, replies, printing):
        os.close(descriptor)
    return PredictorProcess(process, spec, memory, ask, answer, printed, door)


def _command(spec: JudgeSpec, told: PredictorSpec) -> list[str]:
    env = bubblewrap.environment(
        home=Path("/tmp"),
        kit=spec.kit,
        run_id=spec.run_id,
        gpu=spec.gpu,
        more=NO_COMPILE | bubblewrap.SLEEPING_THREADS,
    )
    argv = [sys.executable, "-P", "-m", MODULE, codec.encode(told).decode()]
    shown = [spec.kit / "autoresearch_kit", spec.submission]
    return bubblewrap.command(
        spec.sandbox, argv, read_only=shown, sight=spec.sight, gpu=spec.gpu, env=env
    )
