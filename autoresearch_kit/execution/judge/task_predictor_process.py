"""The judge's side of a task's predictor: start it, have it answer, bound what it takes, end it."""

import fcntl
import math
import os
import select
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NoReturn

import psutil

from autoresearch_kit.execution.handover import countable
from autoresearch_kit.execution.judge.predictor_process import FIRST_END, NO_COMPILE
from autoresearch_kit.execution.judge.scoring import JudgeSpec, ScoreFailure
from autoresearch_kit.execution.judge.task_exchange import TaskPredictorSpec, TaskReply, TaskRequest
from autoresearch_kit.execution.judge.watched_predictor import (
    LOOK_SECONDS,
    REPLY_BYTES,
    WatchedPredictor,
    launch,
)
from autoresearch_kit.execution.runner.cpu_time import Tally, read_all
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.measuring.messages import PIECE_BYTES
from autoresearch_kit.records import Reason, codec

MODULE = "autoresearch_kit.execution.judge.task_predictor"

FALSE = "the submission wrote a false reply"


@dataclass(kw_only=True)
class TaskPredictor(WatchedPredictor):
    """One predictor of a task. `parameters` are known when it has loaded the submission.

    `spent` are the seconds that loading and its answers have taken so far, and those of CPU time
    that its processes took in between, which `computed` counts. Of these `known` were `listed` at
    that time. `ahead` are bytes of its outputs that came with the line before them.
    """

    parameters: int | None = None
    ready: bool = False
    spent: float = 0.0
    limit: float = math.inf
    ahead: bytes = b""
    imported: set[str] = field(default_factory=lambda: {"__main__", "builtins"})
    computed: Tally = field(default_factory=Tally)
    known: Sequence[psutil.Process] = ()
    listed: float = -math.inf
    called: ClassVar[str] = "the submission"

    def load(self) -> None:
        """Make the predictor load the submission, unless it has.

        Raises:
            ScoreFailure: the submission can't be loaded, or the kit's part did not start.
        """
        if self.loaded:
            return
        self._start()
        self.loaded = True
        with self._counted():
            self._send(TaskRequest())
            self.parameters = self._reply().parameters
        if not (self.parameters is None or countable(self.parameters)):
            self.fail(FALSE)

    def predict(
        self,
        size: int,
        inputs: Iterable[memoryview],
        module: str,
        most: int,
        begin: Callable[[int], None],
        take: Callable[[bytes], None],
    ) -> float:
        """Have it answer; return the seconds from the first byte sent to the last received.

        `inputs` are `size` bytes in pieces, of a type from `module`. Its answer has `most`
        bytes at most; `begin` is called with their number, then `take` with each piece.

        Raises:
            ScoreFailure: it has no answer; the failure says why.
        """
        self._start()
        self._import(module)
        self.load()
        self.spent += self._cpu_seconds()  # unasked, it could train on
        before = self.spent
        with self._counted():
            self._send(TaskRequest(size=size))
            for piece in inputs:
                self.write(piece, self.limit)
            left = self._size(most)
            begin(left)
            while left:
                some = self._more(min(left, PIECE_BYTES))
                left -= len(some)
                take(some)
        return self.spent - before

    def late(self) -> NoReturn:
        """Raise the failure of a submission that takes too long."""
        spec = self.spec
        detail = f"gave no answer within the {spec.seconds:g} s that a measurement may take"
        if time.monotonic() <= self.deadline:
            detail = (
                f"took more than {spec.answer_seconds:g} s to load, to answer and in between, time "
                "in which it could train; task.toml may allow more: submission_seconds under "
                "[limits]"
            )
        raise ScoreFailure(Reason.OVER_BUDGET, f"the submission {detail}")

    def processes(self) -> Sequence[psutil.Process]:
        """Return its own processes: the measurement's have a limit of their own."""
        try:
            own = psutil.Process(self.process.pid)
            return [own, *own.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count the enclosed seconds as the submission's, and end it when it has none left."""
        begun = time.monotonic()
        self.limit = begun + self.spec.answer_seconds - self.spent
        yield
        self.limit = math.inf
        self.spent += time.monotonic() - begun
        self._cpu_seconds()

    def _cpu_seconds(self) -> float:
        """Return the CPU seconds that its processes took since this was last asked."""
        now, before = time.monotonic(), self.computed.total
        if now > self.listed + LOOK_SECONDS:  # listing them takes some 20 ms on a busy machine
            self.known, self.listed = self.processes(), now
        self.computed.look(read_all(self.known))
        return self.computed.total - before

    def _start(self) -> None:
        """Wait until it is up, unless it is."""
        if not self.ready:
            self._reply()
            self.ready = True

    def _size(self, most: int) -> int:
        """Return how many bytes its answer has."""
        size = self._reply().size
        if not 0 < size <= most:
            got, allowed = size / MEGABYTE, most / MEGABYTE
            self.fail(f"the submission's answer has {got:,.1f} MB, {allowed:,.0f} allowed")
        return size

    def _import(self, module: str) -> None:
        """Make the predictor import the inputs' module, once.

        That is not the submission's time before it is loaded, from when on it could do all else.
        """
        if module not in self.imported:
            self.imported.add(module)
            with self._counted() if self.loaded else nullcontext():
                self._send(TaskRequest(module=module))
                self._reply()

    def _send(self, asked: TaskRequest) -> None:
        """Send a request. Nothing may have come before it: an answer can't precede its inputs."""
        if self.ahead or select.select([self.replies], [], [], 0)[0]:
            self.fail(FALSE)
        self.write(memoryview(codec.compact(asked) + b"\n"), self.limit)

    def _reply(self) -> TaskReply:
        line = b""
        while b"\n" not in line:
            if len(line) > REPLY_BYTES:
                self.fail(FALSE)
            line += self._more(REPLY_BYTES)
        line, _, self.ahead = line.partition(b"\n")
        reply = self.decoded(TaskReply, line)
        self.check(reply.failure, reply.detail)
        return reply

    def _more(self, most: int) -> bytes:
        """Return the next bytes: those read with the last line, else those that have arrived."""
        if not self.ahead:
            return self.read(most, self.limit)
        some, self.ahead = self.ahead[:most], self.ahead[most:]
        return some


def start(spec: JudgeSpec, output: Path) -> TaskPredictor:
    """Start a fresh predictor, which loads nothing yet; it sees the files in `output`."""
    (requests, ask), (answer, replies), (printed, printing) = os.pipe(), os.pipe(), os.pipe()
    if sys.platform == "linux":
        for pipe in (ask, answer):  # as many bytes as any user may ask for; less is only slower
            with suppress(PermissionError):
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIECE_BYTES)
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, FIRST_END) for end in (requests, replies)]
    torch = "torch" in spec.visible.imports
    predictor_spec = TaskPredictorSpec(spec.submission, spec.device, torch, *ends)
    process = launch(_command(spec, predictor_spec, output), printing, ends)
    for descriptor in (*ends, requests, replies, printing):
        os.close(descriptor)
    return TaskPredictor(process=process, spec=spec, requests=ask, replies=answer, printed=printed)


def _command(spec: JudgeSpec, predictor_spec: TaskPredictorSpec, output: Path) -> list[str]:
    env = bubblewrap.environment(
        home=Path("/tmp"),
        kit=spec.kit,
        run_id=spec.run_id,
        gpu=spec.gpu,
        more=NO_COMPILE | bubblewrap.SLEEPING_THREADS | {"AUTORESEARCH_OUTPUT": str(output)},
    )
    argv = [sys.executable, "-P", "-m", MODULE, codec.encode(predictor_spec).decode()]
    shown = [spec.kit / "autoresearch_kit", spec.submission, output]
    return bubblewrap.command(
        spec.sandbox, argv, read_only=shown, visible=spec.visible, gpu=spec.gpu, env=env
    )
