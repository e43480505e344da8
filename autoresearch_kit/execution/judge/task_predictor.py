"""The process that holds a task's submission: inputs in, answers out. It sees no hidden data.

`python -m autoresearch_kit.execution.judge.task_predictor SPEC`, started by the judge in the
sandbox; it ends with the judge. Inputs come pickled from the measuring notebook, which is trusted.
What the submission prints goes to standard error.
"""

import gc
import os
import pickle
import random
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from autoresearch_kit.execution.processes.starter import (
    end_with_starter,
    without_garbage_collection,
)

if __name__ == "__main__":
    end_with_starter()

import numpy as np

from autoresearch_kit.errors import ExecutionError, SubmissionError
from autoresearch_kit.execution.judge.exchange import DETAIL_LENGTH, SEED
from autoresearch_kit.execution.judge.task_exchange import TaskPredictorSpec, TaskReply, TaskRequest
from autoresearch_kit.measuring import values
from autoresearch_kit.records import Reason, codec
from autoresearch_kit.records.text import one_line

if TYPE_CHECKING:
    import torch
    from torch import nn

Function = Callable[[object], object]


def main(argument: str) -> None:
    """Serve the judge that wrote `argument`, a `TaskPredictorSpec` in JSON."""
    spec = codec.decode(TaskPredictorSpec, argument)
    for descriptor in (spec.requests, spec.replies):
        os.set_inheritable(descriptor, False)
    if spec.imports_torch:
        with without_garbage_collection():
            import torch  # noqa: F401 - while it waits
    with os.fdopen(spec.requests, "rb") as requests, os.fdopen(spec.replies, "wb") as replies:
        try:
            _serve(spec, requests, replies)
        except BaseException as error:
            _reply(replies, describe(error))
            raise


def _serve(spec: TaskPredictorSpec, requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer each request, until there are no more; the first but for imports loads it."""
    _reply(replies, TaskReply())  # it is up
    answer: Function | None = None
    for line in requests:
        asked = codec.decode(TaskRequest, line)
        if asked.module:
            with suppress(ImportError):  # then unpickling the inputs says so
                import_module(asked.module)
            _reply(replies, TaskReply())
            continue
        if answer is None:
            answer = load(spec.submission, spec.device)
            _reply(replies, TaskReply(parameters=parameters()))
            continue
        try:
            data = values.encode(answer(_inputs(requests.read(asked.size))))
        except Exception as error:  # noqa: BLE001 - a submission may raise anything
            _reply(replies, describe(error))
        else:
            _reply(replies, TaskReply(size=len(data)))
            replies.write(data)
            replies.flush()


def _inputs(pickled: bytes) -> object:
    """Unpickle what the measuring notebook asks.

    Raises:
        SubmissionError: it needs code that is not here; no fault of the submission.
    """
    try:
        return pickle.loads(pickled)
    except (AttributeError, ImportError) as error:
        raise SubmissionError(
            f"the inputs of measure.predict can't be unpickled beside the submission ({error}); "
            "let them be arrays, tables, lists and plain values"
        ) from error


def _reply(replies: BinaryIO, reply: TaskReply) -> None:
    replies.write(codec.compact(reply) + b"\n")
    replies.flush()


def load(submission: Path, device: str) -> Function:
    """Unpickle the submission, which runs whatever code it brings along; return what answers.

    Raises:
        SubmissionError: nothing was submitted, or it can't be asked.
        ExecutionError: the device can't be used.
    """
    random.seed(SEED)
    np.random.seed(SEED)
    with submission.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            raise SubmissionError("nothing was submitted that could be asked, only files")
        submitted = pickle.load(file)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(SEED)
        if isinstance(submitted, torch.nn.Module):
            return _of_module(submitted, device)
    return _predict_of(submitted)


def _predict_of(submitted: object) -> Function:
    """Return its method `predict`, or itself.

    Raises:
        SubmissionError: neither can be called.
    """
    predict: object = getattr(submitted, "predict", submitted)
    if not callable(predict):
        kind = type(submitted).__name__
        raise SubmissionError(
            f"submitted was of type {kind}, which has no `predict` and can't be called"
        )
    return predict


def _of_module(module: "nn.Module", device: str) -> Function:
    """Return a function that asks a torch module, with tensors on its device."""
    import torch

    from autoresearch_kit.machine import precision

    on = precision.expected(device)
    ask = _predict_of(module.to(on).eval())

    def answer(inputs: object) -> object:
        with torch.inference_mode():
            return ask(_moved(inputs, on))

    return answer


def _moved(inputs: object, device: "torch.device") -> object:
    """Return inputs with arrays and tensors, in lists and dictionaries too, on a device."""
    import torch

    if isinstance(inputs, dict):
        return {name: _moved(value, device) for name, value in inputs.items()}
    if isinstance(inputs, list | tuple):
        return type(inputs)(_moved(value, device) for value in inputs)
    if isinstance(inputs, np.ndarray) and inputs.dtype.kind in "biufc":
        inputs = torch.from_numpy(inputs)
    return inputs.to(device) if isinstance(inputs, torch.Tensor) else inputs


def parameters() -> int | None:
    """Count the parameters of all torch modules that are loaded; None if there are none.

    This process holds nothing but the submission, so they are found wherever that keeps them.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    held: Sequence[object] = gc.get_objects()
    return sum(each.numel() for each in held if isinstance(each, torch.nn.Parameter)) or None


def describe(error: BaseException) -> TaskReply:
    """Put an exception into words for the judge."""
    memory = isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__
    exhausted = memory or "can't allocate memory" in str(error)  # torch's words on a CPU
    reason = Reason.OUT_OF_MEMORY if exhausted else Reason.BAD_SUBMISSION
    ours = isinstance(error, SubmissionError | ExecutionError)
    text = str(error) if ours else f"{type(error).__name__}: {error}"
    return TaskReply(failure=reason, detail=one_line(text, DETAIL_LENGTH))


if __name__ == "__main__":
    main(sys.argv[1])
