"""The process that holds a submission: inputs in, logits out. It never sees a target.

`python -m autoresearch_kit.execution.predictor SPEC`, started by the judge in the sandbox. Nothing
of the submission is loaded before the judge says so. What the model prints goes to standard error.
"""

import mmap
import os
import pickle
import sys
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from autoresearch_kit import codec, precision
from autoresearch_kit.errors import SubmissionError
from autoresearch_kit.execution.exchange import (
    DETAIL_LENGTH,
    LOAD,
    PredictorSpec,
    Reply,
    Shape,
)
from autoresearch_kit.records import Reason
from autoresearch_kit.text import one_line

SEED = 0
"""Of whatever in a model draws at random, so that a score can be measured again."""

LOGITS = (torch.float32, torch.bfloat16, torch.float16)
"""What logits may be made of."""


class Memory:
    """The shared file, as tensors: int64 inputs `[B, T]` and float32 logits `[B, T, V]`."""

    def __init__(self, descriptor: int, shape: Shape) -> None:
        view = mmap.mmap(descriptor, shape.size)
        rows, context = shape.rows, shape.context
        self._inputs = torch.frombuffer(view, dtype=torch.int64, count=shape.inputs)
        self._inputs = self._inputs.view(rows, context)
        self._logits = torch.frombuffer(
            view, dtype=torch.float32, count=shape.logits, offset=shape.logits_offset
        ).view(rows, context, shape.vocab_size)

    def inputs(self, device: torch.device) -> Tensor:
        """A copy of the inputs: a model may write into what it is given."""
        return self._inputs.to(device, copy=True)

    def put(self, logits: object) -> None:
        """Hand the logits over.

        Raises:
            SubmissionError: they are not a tensor of the right shape and type.
        """
        self._logits.copy_(checked(logits, self._logits.shape))


def checked(logits: object, shape: torch.Size) -> Tensor:
    """The logits, if they are what a model has to return.

    Raises:
        SubmissionError: says what came, and what is expected.
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


def describe(error: BaseException) -> Reply:
    """An exception as the judge is told of it."""
    exhausted = isinstance(error, MemoryError | torch.OutOfMemoryError)
    # torch's allocator on the CPU has no exception of its own
    if exhausted or "can't allocate memory" in str(error):
        reason = Reason.OUT_OF_MEMORY
    else:
        reason = Reason.BAD_SUBMISSION
    ours = isinstance(error, SubmissionError)
    text = str(error) if ours else f"{type(error).__name__}: {error}"
    return Reply(reason, one_line(text, DETAIL_LENGTH))


def send(descriptor: int, reply: Reply) -> None:
    """Write one line to the judge."""
    os.write(descriptor, reply.line())


def serve(spec: PredictorSpec, requests: Iterable[bytes], device: torch.device) -> None:
    """Answer each request, until there are no more."""
    memory = Memory(spec.memory, spec.shape)
    model: nn.Module | None = None
    for request in requests:
        if request == LOAD:
            model = load(spec.submission, device)
        elif model is not None:
            with torch.inference_mode(), precision.autocast(device):
                memory.put(model(memory.inputs(device)))
        send(spec.replies, Reply())


def main(argument: str) -> None:
    """Serve the judge that wrote `argument`, a `PredictorSpec` in JSON."""
    spec = codec.decode(PredictorSpec, argument)
    for descriptor in (spec.memory, spec.requests, spec.replies):
        os.set_inheritable(descriptor, False)
    device = torch.device(spec.device) if spec.device else precision.device()
    torch.empty(1, device=device)
    send(spec.replies, Reply())
    try:
        with os.fdopen(spec.requests, "rb") as requests:
            serve(spec, requests, device)
    except BaseException as error:
        send(spec.replies, describe(error))
        raise


if __name__ == "__main__":
    main(sys.argv[1])
