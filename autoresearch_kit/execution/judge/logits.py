"""Where predictors leave their logits for the judge, who takes a copy before it looks at them."""

import logging
import os
import secrets
import socket
from typing import Protocol

import torch
from torch import Tensor

from autoresearch_kit.errors import ExecutionError
from autoresearch_kit.execution.judge import device_memory
from autoresearch_kit.execution.judge.exchange import LOGIT_BYTES, Shape, Terms
from autoresearch_kit.execution.judge.grading import ScoreFailure
from autoresearch_kit.records import Reason

logger = logging.getLogger(__name__)


class Place(Protocol):
    """A place for the logits of one batch, and the terms on which a predictor may use it."""

    terms: Terms

    def open(self, memory: int, door: socket.socket) -> None:
        """Get ready, before the predictor is told: the shared file, and a way for descriptors."""

    def take(self, count: int) -> Tensor:
        """A copy of the first `count` rows, float32 `[count, T, V]`; the next call may replace it.

        Raises:
            ScoreFailure: the model has spoilt the place.
        """


class InFile:
    """In the shared file, behind the inputs."""

    def __init__(self, shape: Shape, precision: str) -> None:
        self.terms = Terms(shape, precision, mark=_mark())
        self._copy = torch.empty((shape.rows, shape.context, shape.vocab_size))
        self._memory = -1

    def open(self, memory: int, door: socket.socket) -> None:  # noqa: ARG002 - as a place is
        """The file has its size already, and the predictor its descriptor."""
        self._memory = memory
        mark = torch.tensor([self.terms.mark])
        os.pwrite(memory, mark.numpy().tobytes(), self.terms.shape.logits_offset)

    def take(self, count: int) -> Tensor:
        """As a place does."""
        view = self._copy.numpy().data.cast("B")
        done, offset = 0, self.terms.shape.logits_offset
        while done < len(view):
            read = os.preadv(self._memory, [view[done:]], offset + done)
            if read == 0:
                raise ScoreFailure(Reason.BAD_SUBMISSION, "the model cut its shared memory short")
            done += read
        return self._copy[:count]


class OnDevice:
    """On the GPU.

    Raises:
        ExecutionError: there is no memory that can be shared.
    """

    def __init__(self, shape: Shape, precision: str) -> None:
        memory, self._descriptor = device_memory.allocate(shape.logits * LOGIT_BYTES)
        self._logits = memory.floats((shape.rows, shape.context, shape.vocab_size))
        self.terms = Terms(shape, precision, mark=_mark(), device_bytes=memory.size)

    def open(self, memory: int, door: socket.socket) -> None:  # noqa: ARG002 - as a place is
        """The predictor gets the descriptor, and finds the mark."""
        self._logits[0, 0, 0] = self.terms.mark
        torch.cuda.synchronize()
        socket.send_fds(door, [b"logits"], [self._descriptor])
        os.close(self._descriptor)

    def take(self, count: int) -> Tensor:
        """As a place does."""
        return self._logits[:count].clone()


def places(shape: Shape, precision: str, device: torch.device) -> list[Place]:
    """Places that the judge can offer, the fastest first."""
    in_file = InFile(shape, precision)
    if device.type != "cuda":
        return [in_file]
    try:
        return [OnDevice(shape, precision), in_file]
    except ExecutionError as error:
        logger.warning("logits go another, slower way: %s", error)
        return [in_file]


def _mark() -> float:
    """A number that float32 holds exactly."""
    return float(1 + secrets.randbelow(2**23))
