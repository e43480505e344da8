"""Buffers in which predictors leave their logits; the judge takes a copy before it looks at them.

On a CPU no torch is needed for that, nor for the losses: see `gpu` for the other way.
"""

import logging
import os
import secrets
import socket
from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from autoresearch_kit.errors import ExecutionError
from autoresearch_kit.execution.judge.exchange import Shape, Terms
from autoresearch_kit.execution.judge.scoring import ScoreFailure
from autoresearch_kit.records import Reason
from autoresearch_kit.tasks.lm.bits_per_byte import nats_per_token

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


class Logits(Protocol):
    """A copy of the logits `[b, T, V]` of some rows, which no model can change."""

    def losses(self, targets: Ints, positions: Ints | None = None) -> Floats:
        """Return nats per token, float32 `[b, n]`, of the targets `[b, n]` at `positions` `[b, n]`.

        Without positions, the targets are those of all T.

        Raises:
            ScoreFailure: a logit is not finite, at whatever position.
        """


class HostLogits:
    """Logits in this process's memory, float32 `[b, T, V]`."""

    def __init__(self, array: Floats) -> None:
        self.array = array

    def losses(self, targets: Ints, positions: Ints | None = None) -> Floats:
        """Return nats per token: see `Logits`."""
        if not np.isfinite([self.array.min(), self.array.max()]).all():
            raise not_finite(int((~np.isfinite(self.array)).sum()), self.array.size)
        asked = self.array
        if positions is not None:
            asked = np.take_along_axis(asked, positions[..., None], 1)
        return nats_per_token(asked, targets)


def not_finite(count: int, size: int) -> ScoreFailure:
    """Return the failure of a model of whose `size` logits `count` are not finite."""
    return ScoreFailure(Reason.NOT_FINITE, f"{count:,} of {size:,} logits are NaN or infinite")


class Buffer(Protocol):
    """Memory for the logits of one batch, and the terms on which a predictor may use it."""

    terms: Terms

    def share(self, memory: int, gpu_socket: socket.socket) -> None:
        """Get ready, before the predictor is told the terms.

        `memory` is the descriptor of the file that both share, `gpu_socket` a way to send others.
        """

    def take(self, count: int) -> Logits:
        """Return a copy of the first `count` rows, which the next call may replace.

        Raises:
            ScoreFailure: the model has spoilt the buffer.
        """


class FileBuffer:
    """The shared file, behind the inputs. `read` makes logits of the copy of what lies there."""

    def __init__(
        self, shape: Shape, precision: str | None, read: Callable[[Floats], Logits] = HostLogits
    ) -> None:
        self.terms = Terms(shape, precision, mark=new_mark())
        self._copy = np.empty((shape.rows, shape.context, shape.vocab_size), np.float32)
        self._read = read
        self._memory = -1

    def share(self, memory: int, gpu_socket: socket.socket) -> None:  # noqa: ARG002 - for other buffers
        """Write the mark into the file, which has its size already."""
        self._memory = memory
        os.pwrite(memory, np.float32(self.terms.mark).tobytes(), self.terms.shape.logits_offset)

    def take(self, count: int) -> Logits:
        """Return a copy of the first `count` rows: see `Buffer`."""
        view = self._copy.data.cast("B")
        done, offset = 0, self.terms.shape.logits_offset
        while done < len(view):
            read = os.preadv(self._memory, [view[done:]], offset + done)
            if read == 0:
                raise ScoreFailure(Reason.BAD_SUBMISSION, "the model cut its shared memory short")
            done += read
        return self._read(self._copy[:count])


def buffers(shape: Shape, precision: str | None, *, on_gpu: bool) -> list[Buffer]:
    """Return the buffers that the judge can offer, the fastest first."""
    if not on_gpu:
        return [FileBuffer(shape, precision)]
    from autoresearch_kit.execution.judge import gpu  # imports torch

    in_file = FileBuffer(shape, precision, gpu.moved)
    try:
        return [gpu.GpuBuffer(shape, precision), in_file]
    except ExecutionError as error:
        logger.warning("logits take a slower way, through a file: %s", error)
        return [in_file]


def new_mark() -> float:
    """Draw a number that float32 holds exactly."""
    return float(1 + secrets.randbelow(2**23))
