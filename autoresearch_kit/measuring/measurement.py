"""The object with which a measuring notebook asks a submission, and reports what it measured."""

import operator
import os
import pickle
import socket
import threading
from collections.abc import Sized
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import SupportsFloat

import cloudpickle
import msgspec

from autoresearch_kit.errors import KitError, SubmissionError
from autoresearch_kit.measuring import messages, values
from autoresearch_kit.measuring.guard import guard
from autoresearch_kit.measuring.messages import (
    PATHS,
    Answer,
    MeasuringPaths,
    PredictSeconds,
    Request,
    RequestKind,
)

ONE_ROW = (str, bytes, bytearray, dict)
"""Inputs of these types are one row."""


class MeasurementError(KitError):
    """A measurement can't go on; the message says why."""


class Measure:
    """A measuring notebook's access to the data, to the submission, and to the judge.

    Nothing happens before it is used: importing it has no effect.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        """Seconds that the last `predict` took, as the judge saw it, with unpickling the inputs."""
        self._turn = threading.Lock()

    @property
    def hidden(self) -> Path:
        """Return the folder of hidden data; for an audit, that of the audit's."""
        return self._paths.hidden

    @property
    def data(self) -> Path:
        """Return the folder of data that was trained on."""
        return self._paths.data

    @property
    def output(self) -> Path:
        """Return the folder of files that were handed over. They are data, whatever they hold."""
        return self._paths.output

    @cached_property
    def submission(self) -> object:
        """Return the submission, loaded in this process: beside the hidden data.

        Raises:
            MeasurementError: the task does not allow that, or only files were handed over.
        """
        if self._paths.submission is None:
            raise MeasurementError(
                "measure.submission needs `trusted = true` in task.toml, and something submitted; "
                "measure.predict asks the submission in a process of its own"
            )
        with self._paths.submission.open("rb") as file:
            return pickle.load(file)

    def predict(self, inputs: object, rows: int | None = None) -> object:
        """Return the submission's answer to `inputs`, computed in another process and sandbox.

        Inputs may be anything that can be pickled. Answers are decoded, never unpickled: numbers,
        text, bytes, None, lists (tuples too), dictionaries, and arrays (tensors and tables too).
        `rows` says how many rows the inputs have, for the seconds per row; by default their length.

        Raises:
            MeasurementError: it has no answer. The run has failed then, whatever comes after.
        """
        pickled = cloudpickle.dumps(inputs, protocol=pickle.HIGHEST_PROTOCOL)
        count = _rows(inputs) if rows is None else operator.index(rows)
        module = type(inputs).__module__
        request = Request(RequestKind.PREDICT, len(pickled), count, module)
        try:
            with self._turn:  # one at a time, where threads ask
                messages.send(self._socket, request)
                self._socket.sendall(pickled)
                size = self._answer().size
                answer = messages.exactly(self._socket, size)
                self.seconds = messages.receive(self._socket, PredictSeconds).seconds
        except (OSError, EOFError) as error:
            raise MeasurementError("the judge has ended the measurement") from error
        try:
            return values.decode(answer)
        except SubmissionError as error:
            self.refuse(str(error))
            raise

    def fresh(self) -> None:
        """End the submission's process; the next `predict` has a new one, which knows nothing."""
        self._ask(Request(RequestKind.FRESH))

    def report(self, /, **metrics: object) -> None:
        """Report metrics by name, each once; `NAME_se` is the standard error of NAME.

        Arrays and tensors of one element are numbers too.

        Raises:
            MeasurementError: one is unknown, not finite, no number, or was reported before.
        """
        numbers = {name: _number(name, value) for name, value in metrics.items()}
        self._ask(Request(RequestKind.REPORT, values=numbers))

    def refuse(self, why: str) -> None:
        """Refuse the submission: the run fails, and `why` is shown to the researcher.

        Other errors of this notebook are not, since they may quote hidden data.

        Raises:
            MeasurementError: always.
        """
        self._ask(Request(RequestKind.REFUSE, detail=str(why)))

    @cached_property
    def _paths(self) -> MeasuringPaths:
        text = os.environ.get(PATHS)
        if text is None:
            raise MeasurementError(
                "this notebook measures what a training notebook hands over: run train.ipynb"
            )
        paths = msgspec.json.decode(text, type=MeasuringPaths, dec_hook=lambda _, text: Path(text))
        if not paths.trusted:
            guard(paths.output)
        return paths

    @cached_property
    def _socket(self) -> socket.socket:
        os.set_inheritable(self._paths.socket, False)
        return socket.socket(fileno=self._paths.socket)

    def _ask(self, request: Request) -> None:
        try:
            with self._turn:
                messages.send(self._socket, request)
                self._answer()
        except (OSError, EOFError) as error:
            raise MeasurementError("the judge has ended the measurement") from error

    def _answer(self) -> Answer:
        answer = messages.receive(self._socket, Answer)
        if answer.failure:
            raise MeasurementError(answer.failure)
        return answer


def _rows(inputs: object) -> int:
    shape: object = getattr(inputs, "shape", None)
    if isinstance(shape, tuple):  # an array of no dimension, or a sparse one, has no length
        return int(shape[0]) if shape else 1
    return len(inputs) if isinstance(inputs, Sized) and not isinstance(inputs, ONE_ROW) else 1


def _number(name: str, value: object) -> float:
    """Return a number, or the only element of an array or a tensor.

    Raises:
        MeasurementError: it is something else.
    """
    item: object = getattr(value, "item", None)
    with suppress(OverflowError, RuntimeError, TypeError, ValueError):
        number: object = item() if callable(item) else value
        if isinstance(number, SupportsFloat):
            return float(number)
    kind = type(value).__name__
    raise MeasurementError(
        f"{name} was reported as something of type {kind} that is not one number; report a number"
    )


measure = Measure()
"""The measurement of this process."""
