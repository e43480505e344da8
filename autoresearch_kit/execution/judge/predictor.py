"""The process that holds a submission: inputs in, logits out. It never sees a target.

`python -m autoresearch_kit.execution.judge.predictor SPEC`, started by the judge in the sandbox.
It ends with the judge. Nothing of the submission is loaded before the judge says so. What the model
prints goes to standard error.
"""

import mmap
import os
import pickle
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

from autoresearch_kit.execution.judge.exchange import SEED
from autoresearch_kit.execution.processes.starter import (
    end_with_starter,
    without_garbage_collection,
)

if __name__ == "__main__":
    end_with_starter()

with without_garbage_collection():
    import torch
    from torch import Tensor, nn

from autoresearch_kit.errors import ExecutionError, SubmissionError
from autoresearch_kit.execution.judge.exchange import (
    BEGIN,
    DETAIL_LENGTH,
    LOAD,
    PREDICT_FULL,
    PredictorSpec,
    Reply,
    Terms,
)
from autoresearch_kit.machine import precision
from autoresearch_kit.records import Reason, codec
from autoresearch_kit.records.text import one_line

LOGITS = (torch.float32, torch.bfloat16, torch.float16)
"""The types that logits may have."""


class Memory:
    """Memory shared with the judge: int64 inputs `[B, T]`, float32 logits `[B, T, V]`.

    `device` is what the model computes on, `dtype` the precision of its matrix products.

    Raises:
        ExecutionError: the device or the judge's memory can't be used.
    """

    def __init__(self, spec: PredictorSpec, terms: Terms) -> None:
        self.device = precision.expected(spec.device)
        name = terms.precision
        self.dtype = precision.of_name(name) if name else precision.computes_in(self.device)
        shape = terms.shape
        view = mmap.mmap(spec.memory, shape.size)
        self._inputs = torch.frombuffer(view, dtype=torch.int64, count=shape.inputs)
        self._inputs = self._inputs.view(shape.rows, shape.context)
        if terms.on_device:
            self._logits = _on_device(spec.gpu_socket, terms)
        else:
            self._logits = torch.frombuffer(
                view, dtype=torch.float32, count=shape.logits, offset=shape.logits_offset
            ).view(shape.rows, shape.context, shape.vocab_size)
        if self._logits[0, 0, 0].item() != terms.mark:
            raise ExecutionError("the predictor does not see what the judge has written there")

    def inputs(self) -> Tensor:
        """Return a copy of the inputs: a model may write into what it is given."""
        return self._inputs.to(self.device, copy=True)

    def put(self, logits: object) -> None:
        """Hand the logits over.

        Raises:
            SubmissionError: they are not a tensor of the right shape and type.
        """
        self._logits.copy_(checked(logits, self._logits.shape))
        if self._logits.is_cuda:
            torch.cuda.synchronize()


def _on_device(gpu_socket: int, terms: Terms) -> Tensor:
    with socket.socket(fileno=os.dup(gpu_socket)) as end:
        _, (descriptor, *_), _, _ = socket.recv_fds(end, 64, 1)
    from autoresearch_kit.execution.judge import gpu

    shape = terms.shape
    memory = gpu.attach(descriptor, terms.device_bytes)
    return memory.floats((shape.rows, shape.context, shape.vocab_size))


def checked(logits: object, shape: torch.Size) -> Tensor:
    """Return the logits if they have the right shape and type.

    Raises:
        SubmissionError: they have not; the message says what came, and what is expected.
    """
    wanted = f"logits [B, T, V] = {list(shape)} in float32, bfloat16 or float16 are expected"
    if not isinstance(logits, Tensor):
        raise SubmissionError(f"the model returned a {type(logits).__name__}; {wanted}")
    if logits.shape != shape or logits.dtype not in LOGITS:
        got = f"{list(logits.shape)} in {str(logits.dtype).removeprefix('torch.')}"
        raise SubmissionError(f"the model returned {got}; {wanted}")
    return logits


def load(submission: Path, device: torch.device) -> nn.Module:
    """Unpickle the model, which runs whatever code it brings along.

    Raises:
        SubmissionError: it is no model.
    """
    torch.manual_seed(SEED)
    with submission.open("rb") as file:
        model = pickle.load(file)
    if not isinstance(model, nn.Module):
        raise SubmissionError(f"submitted was a {type(model).__name__}, not a torch.nn.Module")
    return model.to(device).eval()


def count_parameters(model: nn.Module) -> int:
    """Return how many numbers the model's parameters hold, one that is used twice counted once.

    Code of the model that hides parameters, as a tensor elsewhere, is not caught.
    """
    return sum(each.numel() for each in nn.Module.parameters(model))


def describe(error: BaseException) -> Reply:
    """Put an exception into words for the judge."""
    # torch's allocator on the CPU has no exception of its own
    exhausted = isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        "can't allocate memory" in str(error)
    )
    reason = Reason.OUT_OF_MEMORY if exhausted else Reason.BAD_SUBMISSION
    ours = isinstance(error, SubmissionError)
    text = str(error) if ours else f"{type(error).__name__}: {error}"
    return Reply(reason, one_line(text, DETAIL_LENGTH))


def serve(spec: PredictorSpec, requests: Iterable[bytes]) -> None:
    """Answer each request, until there are no more."""
    memory: Memory | None = None
    model: nn.Module | None = None
    for request in requests:
        reply = Reply()
        if request.startswith(BEGIN):
            memory, reply = begin(spec, codec.decode(Terms, request.removeprefix(BEGIN)))
        elif memory is not None and request == LOAD:
            model = load(spec.submission, memory.device)
            reply = Reply(parameters=count_parameters(model))
        elif memory is not None and model is not None:
            reply = predict(model, memory, full=request == PREDICT_FULL)
        os.write(spec.replies, reply.line())


def begin(spec: PredictorSpec, terms: Terms) -> tuple[Memory | None, Reply]:
    """Take the device and the memory on these terms; after a failure, other terms may come.

    Nothing of the submission is loaded yet, so a failure here is the kit's.
    """
    try:
        memory = Memory(spec, terms)
    except ExecutionError as error:
        return None, Reply(Reason.KIT_FAILED, one_line(str(error), DETAIL_LENGTH))
    return memory, Reply(precision=precision.name_of(memory.dtype))


def predict(model: nn.Module, memory: Memory, *, full: bool) -> Reply:
    """Have the model predict, in float32 if `full`; a model of another precision can't do that."""
    dtype = torch.float32 if full else memory.dtype
    try:
        with torch.inference_mode(), precision.autocast_to(memory.device, dtype):
            memory.put(model(memory.inputs()))
    except Exception as error:  # noqa: BLE001 - a model may raise anything
        return describe(error)
    return Reply()


def main(argument: str) -> None:
    """Serve the judge that wrote `argument`, a `PredictorSpec` in JSON."""
    spec = codec.decode(PredictorSpec, argument)
    for descriptor in (spec.memory, spec.requests, spec.replies, spec.gpu_socket):
        os.set_inheritable(descriptor, False)
    try:
        with os.fdopen(spec.requests, "rb") as requests:
            serve(spec, requests)
    except BaseException as error:
        os.write(spec.replies, describe(error).line())
        raise


if __name__ == "__main__":
    main(sys.argv[1])
