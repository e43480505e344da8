"""Test what a measuring notebook may report, and how the rows of its inputs are counted."""

import json
import pickle
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch

from autoresearch_kit.measuring import messages, values
from autoresearch_kit.measuring.measurement import Measure, MeasurementError
from autoresearch_kit.measuring.messages import PATHS, Answer, PredictSeconds, Request


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Return the judge's end of the line to `measure`, which is trusted."""
    ours, theirs = socket.socketpair()
    folders = {"hidden": "/h", "data": "/d", "output": "/o"}
    told = {**folders, "socket": theirs.fileno(), "trusted": True}
    monkeypatch.setenv(PATHS, json.dumps(told))
    ours.settimeout(5)
    with ours:
        yield ours
    theirs.detach()


@pytest.fixture
def measure() -> Iterator[Measure]:
    made = Measure()
    yield made
    if "_socket" in vars(made):
        vars(made)["_socket"].close()


HALVES = [
    0.5, Decimal("0.5"), np.float32(0.5), np.array(0.5), np.array([[0.5]]), torch.tensor(0.5),
    torch.tensor([0.5], requires_grad=True), pd.Series([0.5]),
]  # fmt: skip


@pytest.mark.parametrize("value", HALVES, ids=lambda value: type(value).__name__)
def test_whatever_is_one_number_can_be_reported(
    value: object, measure: Measure, judge: socket.socket
) -> None:
    messages.send(judge, Answer())
    measure.report(self=value, truth=True)
    assert messages.receive(judge, Request).values == {"self": 0.5, "truth": 1.0}


OTHERS = [
    None, "0.5", b"0.5", 1j, np.complex64(1), {"a": 1}, 10**400, np.array([0.5, 1]), torch.ones(2),
    np.datetime64("2026-11-28"),
]  # fmt: skip


@pytest.mark.parametrize("value", OTHERS, ids=lambda value: type(value).__name__)
@pytest.mark.usefixtures("judge")
def test_what_is_no_number_is_named_without_its_value(value: object, measure: Measure) -> None:
    words = f"error was reported as something of type {type(value).__name__} that is not one number"
    with pytest.raises(MeasurementError, match=words):
        measure.report(error=value)


ROWS = [
    ([1, 2], None, 2), ("text", None, 1), (np.zeros((3, 2)), None, 3), (np.array(1.0), None, 1),
    (torch.tensor(1.0), None, 1), (scipy.sparse.csr_matrix((4, 2)), None, 4), (3, np.int64(7), 7),
]  # fmt: skip


@pytest.mark.parametrize(("inputs", "rows", "count"), ROWS, ids=lambda value: type(value).__name__)
def test_rows_are_counted_of_any_inputs(
    inputs: object, rows: int | None, count: int, measure: Measure, judge: socket.socket
) -> None:
    messages.send(judge, Answer(failure="that is all"))
    with pytest.raises(MeasurementError, match="that is all"):
        measure.predict(inputs, rows=rows)
    assert messages.receive(judge, Request).rows == count


def test_threads_take_turns(measure: Measure, judge: socket.socket) -> None:
    """Each gets the answer to its own question, which the judge gives in the order of questions."""
    with ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(measure.predict, number) for number in range(20)]
        for _ in answers:
            request = messages.receive(judge, Request)
            data = values.encode(pickle.loads(messages.exactly(judge, request.size)))
            messages.send(judge, Answer(size=len(data)))
            judge.sendall(data)
            messages.send(judge, PredictSeconds(1.0))
    assert [each.result() for each in answers] == list(range(20))
