"""A process that holds a submission, as its judge sees it: what it replies, prints and takes."""

import math
import os
import selectors
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar, NoReturn, TypeVar

import psutil

from autoresearch_kit.errors import InputError
from autoresearch_kit.execution.judge import exchange
from autoresearch_kit.execution.judge.scoring import JudgeSpec, ScoreFailure
from autoresearch_kit.execution.runner.limits import MAX_PROCESSES, memory_mb
from autoresearch_kit.records import Reason, codec
from autoresearch_kit.records.text import one_line

T = TypeVar("T")

LOOK_SECONDS = 0.25
"""Seconds between two looks at a predictor's memory."""

GRACE_SECONDS = 5.0
"""Seconds for a predictor that closed its pipe to be gone."""

REPLY_BYTES = 4096
"""Bytes of a reply at most, which is a line."""

TAIL_BYTES = 2000
"""Bytes that are kept of a predictor's output."""


@dataclass(kw_only=True)
class WatchedPredictor:
    """A predictor in its sandbox, used from one thread; every failure is a `ScoreFailure`.

    `requests`, `replies` and `printed` are the judge's ends of its pipes, the first of which never
    blocks. `deadline` is in `time.monotonic()`. It is `loaded` as soon as code of the submission
    may run: what fails from then on is the submission's fault, `called` so in messages.
    """

    process: subprocess.Popen[bytes]
    spec: JudgeSpec
    requests: int
    replies: int
    printed: int
    deadline: float = math.inf
    loaded: bool = False
    looked: float = 0.0
    tail: bytes = field(default=b"", repr=False)
    called: ClassVar[str] = "the model"

    def __post_init__(self) -> None:
        os.set_blocking(self.requests, False)

    def end(self) -> None:
        """Kill the predictor and all that it started, and close its pipes."""
        with suppress(psutil.NoSuchProcess):
            for descendant in psutil.Process(self.process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    descendant.kill()
        self.process.kill()
        self.process.communicate()
        for descriptor in (self.requests, self.replies, self.printed):
            os.close(descriptor)

    def write(self, data: memoryview, limit: float) -> None:
        """Send it all of `data`, until `limit` in `time.monotonic()` at most."""
        while data:
            self._await(self.requests, selectors.EVENT_WRITE, limit)
            try:
                data = data[os.write(self.requests, data) :]
            except BrokenPipeError:
                self._died()

    def read(self, most: int, limit: float) -> bytes:
        """Return what comes next of its replies: at least 1 byte, and `most` at most."""
        self._await(self.replies, selectors.EVENT_READ, limit)
        data = os.read(self.replies, most)
        if not data:
            self._died()
        return data

    def decoded(self, kind: type[T], line: bytes) -> T:
        """Return the reply that a line encodes."""
        try:
            return codec.decode(kind, line)
        except InputError as error:
            raise ScoreFailure(
                Reason.BAD_SUBMISSION, f"{self.called} wrote a false reply"
            ) from error

    def check(self, failure: Reason | None, detail: str) -> None:
        """Raise the failure that a reply names, if it names one.

        The reply may be the submission's own: it is not believed to be the kit's failure.
        """
        if failure is not None:
            exhausted = failure is Reason.OUT_OF_MEMORY
            reason = Reason.OUT_OF_MEMORY if exhausted else Reason.BAD_SUBMISSION
            raise ScoreFailure(reason, one_line(detail, exchange.DETAIL_LENGTH))

    def fail(self, detail: str) -> NoReturn:
        """Raise a failure: the submission's if it is loaded, else the kit's."""
        reason = Reason.BAD_SUBMISSION if self.loaded else Reason.KIT_FAILED
        raise ScoreFailure(reason, one_line(detail, exchange.DETAIL_LENGTH))

    def late(self) -> NoReturn:
        """Raise the failure of a predictor that takes too long."""
        if time.monotonic() > self.deadline:
            self.fail(f"scoring took longer than {self.spec.seconds:g} s")
        self.fail(f"{self.called} gave no answer for {self.spec.answer_seconds:g} s")

    def processes(self) -> Sequence[psutil.Process]:
        """Return the processes whose memory counts: all predictors' of this judge."""
        return psutil.Process().children(recursive=True)

    def _await(self, end: int, event: int, limit: float) -> None:
        """Wait until a pipe is ready; meanwhile read what is printed, and watch the memory."""
        with selectors.DefaultSelector() as selector:
            selector.register(end, event)
            selector.register(self.printed, selectors.EVENT_READ)
            while True:
                ended = self.process.poll() is not None
                ready = {key.fd for key, _ in selector.select(LOOK_SECONDS)}
                if self.printed in ready:
                    printed = os.read(self.printed, 2**16)
                    self.tail = (self.tail + printed)[-TAIL_BYTES:]
                    if not printed:  # it has closed its output
                        selector.unregister(self.printed)
                self._check(limit)
                if end in ready:
                    return
                if ended:  # and all that it wrote before is read
                    self._died()

    def _check(self, limit: float) -> None:
        now = time.monotonic()
        if now > min(limit, self.deadline):
            self.late()
        if now - self.looked > LOOK_SECONDS:
            self.looked = now
            self._check_memory()

    def _check_memory(self) -> None:
        processes = self.processes()
        if len(processes) > MAX_PROCESSES:
            detail = f"{self.called} started {len(processes):,} processes, {MAX_PROCESSES} allowed"
            raise ScoreFailure(Reason.OUT_OF_PROCESSES, detail)
        used = memory_mb(processes)
        if used > self.spec.memory_mb:
            detail = (
                f"{self.called} took {used:,.0f} MB to score, {self.spec.memory_mb:,.0f} allowed"
            )
            raise ScoreFailure(Reason.OUT_OF_MEMORY, detail)

    def _died(self) -> NoReturn:
        """Say how it ended; the system kills with SIGKILL, mostly when memory runs out."""
        try:
            status = self.process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.fail(f"{self.called} closed its connection to the judge")
        if self.loaded and status in (-9, 128 + 9):
            raise ScoreFailure(Reason.OUT_OF_MEMORY, f"the system killed {self.called}'s process")
        words = self.tail.decode(errors="replace").strip().splitlines()
        said = f": {words[-1]}" if words else ""
        self.fail(f"{self.called}'s process ended with status {status}{said}")


def launch(command: Sequence[str], printing: int, ends: Sequence[int]) -> subprocess.Popen[bytes]:
    """Start a predictor, which prints to `printing` and gets no other descriptors than `ends`."""
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,  # by whose end it knows that this process is gone
        stdout=printing,
        stderr=printing,
        pass_fds=ends,
        start_new_session=True,
        cwd="/",
    )
