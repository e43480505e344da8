"""The judge's connection to a measuring kernel: asks the predictor, collects the metrics."""

import socket
import sys
import threading
import traceback
from collections.abc import Callable

import msgspec

from autoresearch_kit.execution.handover import Failure, countable
from autoresearch_kit.execution.judge.exchange import DETAIL_LENGTH
from autoresearch_kit.execution.judge.reported import Reported
from autoresearch_kit.execution.judge.scoring import ScoreFailure
from autoresearch_kit.execution.judge.task_predictor_process import TaskPredictor
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.measuring import messages
from autoresearch_kit.measuring.messages import Answer, PredictSeconds, Request, RequestKind
from autoresearch_kit.records import Reason
from autoresearch_kit.records.text import one_line


class FirstFailure:
    """Keeps the first failure that is found, by whichever thread."""

    def __init__(self) -> None:
        self.failure: Failure | None = None
        self._lock = threading.Lock()

    def note(self, failure: Failure) -> Failure:
        """Note a failure; return the one that came first."""
        with self._lock:
            self.failure = self.failure or failure
            return self.failure


class Relay(threading.Thread):
    """Answers a measuring kernel until that ends. After a failure, each answer is that failure.

    `start_predictor` starts a fresh predictor. `rows` and `seconds` are of all answers so far.
    """

    def __init__(
        self,
        end: socket.socket,
        start_predictor: Callable[[], TaskPredictor],
        reported: Reported,
        first: FirstFailure,
        answer_bytes: int,
    ) -> None:
        super().__init__(name="relay", daemon=True)
        self.predictor = start_predictor()
        self.rows = 0
        self.seconds = 0.0
        self.deadline = float("inf")
        self._end = end
        self._start_predictor = start_predictor
        self._reported = reported
        self._first = first
        self._answer_bytes = answer_bytes

    def run(self) -> None:
        """Answer requests as they come."""
        try:
            while True:
                self._answer(messages.receive(self._end, Request))
        except (EOFError, OSError):
            return  # the kernel is gone
        except msgspec.DecodeError as error:
            self._first.note(Failure(Reason.NOT_MEASURED, f"it sent a false request: {error}"))
        except ScoreFailure as failure:  # in the middle of an answer
            self._note(failure)
        except Exception as error:  # noqa: BLE001 - a measurement must not wait for ever
            traceback.print_exc(file=sys.stderr)
            said = one_line(f"the judge failed: {type(error).__name__}: {error}", DETAIL_LENGTH)
            self._first.note(Failure(Reason.KIT_FAILED, said))
        finally:
            self._end.close()

    def _answer(self, request: Request) -> None:
        failure = self._first.failure
        begun = False

        def begin(size: int) -> None:
            nonlocal begun
            begun = True
            messages.send(self._end, Answer(size=size))

        if failure is None:
            try:
                self._carry_out(request, begin)
            except ScoreFailure as found:
                if begun:  # the kernel waits for the rest of an answer: end the connection
                    raise
                failure = self._note(found)
        if failure is not None:
            messages.send(self._end, Answer(failure=f"{failure.reason}: {failure.detail}"))
        elif not begun:
            messages.send(self._end, Answer())

    def _carry_out(self, request: Request, begin: Callable[[int], None]) -> None:
        match request.kind:
            case RequestKind.PREDICT:
                self._predict(request, begin)
            case RequestKind.FRESH:
                self.predictor.end()
                self.predictor = self._start_predictor()
                self.predictor.deadline = self.deadline
            case RequestKind.REPORT:
                self._reported.add(request.values)
            case RequestKind.REFUSE:
                detail = one_line(request.detail, DETAIL_LENGTH) or "measure.ipynb refused it"
                raise ScoreFailure(Reason.BAD_SUBMISSION, detail)

    def _predict(self, request: Request, begin: Callable[[int], None]) -> None:
        if not (request.rows > 0 and countable(request.rows) and request.size > 0):
            rows, size = request.rows, request.size / MEGABYTE
            raise ScoreFailure(
                Reason.NOT_MEASURED, f"measure.predict was given {rows} rows, {size:g} MB"
            )
        self.predictor.deadline = self.deadline
        took = self.predictor.predict(
            request.size,
            messages.pieces(self._end, request.size),
            request.module,
            self._answer_bytes,
            begin,
            self._end.sendall,
        )
        messages.send(self._end, PredictSeconds(took))
        self.rows += request.rows
        self.seconds += took

    def _note(self, failure: ScoreFailure) -> Failure:
        return self._first.note(Failure(failure.reason, failure.detail))
