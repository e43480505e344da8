"""Bound what a measurement takes: seconds, memory, processes and disk."""

import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence

import psutil

from autoresearch_kit.execution.handover import Failure
from autoresearch_kit.execution.judge.measuring_sandbox import MeasuringSandbox
from autoresearch_kit.execution.judge.relay import FirstFailure
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.runner.limits import Limits
from autoresearch_kit.records import Reason

LOOK_SECONDS = 0.25

GRACE_SECONDS = 2.0
"""Seconds after the deadline, so that a submission that does not answer is named as the reason."""


class MeasuringWatch(threading.Thread):
    """Watches a measurement `called` so in messages, and ends all processes of its run if need be.

    `others` returns the processes that have limits of their own: the predictor's.
    """

    def __init__(
        self,
        sandbox: MeasuringSandbox,
        first: FirstFailure,
        called: str,
        deadline: float,
        others: Callable[[], Sequence[psutil.Process]] = tuple,
    ) -> None:
        super().__init__(name="watch", daemon=True)
        self._sandbox = sandbox
        self._first = first
        self._called = called
        self._deadline = deadline
        self._others = others
        self._limits = Limits(sandbox.scratch, sandbox.sockets, sandbox.memory_mb)
        self._ended = threading.Event()

    def run(self) -> None:
        """Watch until a limit is exceeded, or `end` is called."""
        try:
            while not self._ended.wait(LOOK_SECONDS):
                if failure := self._exceeded():
                    self._first.note(failure)
                    reap.reap(self._sandbox.spec.run_id)
                    return
        except Exception as error:  # noqa: BLE001 - a measurement without bounds must not go on
            traceback.print_exc(file=sys.stderr)
            why = f"the watch failed: {type(error).__name__}: {error}"
            self._first.note(Failure(Reason.KIT_FAILED, why))
            reap.reap(self._sandbox.spec.run_id)

    def end(self) -> None:
        """Stop watching."""
        self._ended.set()
        self.join()

    def _exceeded(self) -> Failure | None:
        if time.monotonic() > self._deadline + GRACE_SECONDS:
            seconds = self._sandbox.spec.seconds
            detail = f"{self._called} did not end within {seconds:g} s (measure_seconds)"
            return Failure(Reason.NOT_MEASURED, detail)
        everyone = psutil.Process().children(recursive=True)
        others = set(self._others())
        failure = self._limits.exceeded([each for each in everyone if each not in others])
        if failure is None:
            return None
        trusted = self._sandbox.trusted  # then it may be the submission that takes so much
        reason = failure.reason if trusted else Reason.NOT_MEASURED
        return Failure(reason, f"{self._called} takes too much: {failure.detail}")
