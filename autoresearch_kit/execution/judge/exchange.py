"""The messages of judge and predictor, and the memory in which they exchange arrays.

Requests and replies are lines on two pipes that nobody else holds; inputs and logits lie in one
shared file without a name. On a GPU the logits stay in memory that both have mapped: its descriptor
comes through a socket. Nothing that the predictor sends is ever unpickled.
"""

import fcntl
import mmap
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from autoresearch_kit.records import Reason

INPUT_BYTES = 8
"""An input is an int64."""

LOGIT_BYTES = 4
"""A logit is a float32."""

DETAIL_LENGTH = 300
"""Characters of a failure's detail."""

SEED = 0
"""Seeds what a submission draws at random, so that a score can be measured again."""

BEGIN = b"begin "
"""The request that ends a predictor's wait; the terms follow. Only now may it use a GPU."""

LOAD = b"load\n"
PREDICT = b"predict\n"
PREDICT_FULL = b"predict in float32\n"


@dataclass(frozen=True)
class Shape:
    """The shape of a batch: B rows of T inputs, and logits over V tokens at each."""

    rows: int
    context: int
    vocab_size: int

    @property
    def inputs(self) -> int:
        """Return how many inputs a batch has."""
        return self.rows * self.context

    @property
    def logits(self) -> int:
        """Return how many logits a batch has."""
        return self.inputs * self.vocab_size

    @property
    def logits_offset(self) -> int:
        """Return where in the shared file the logits begin: on the first page after the inputs."""
        return -(-self.inputs * INPUT_BYTES // mmap.PAGESIZE) * mmap.PAGESIZE

    @property
    def size(self) -> int:
        """Return the size of the shared file in bytes."""
        return self.logits_offset + self.logits * LOGIT_BYTES


@dataclass(frozen=True)
class PredictorSpec:
    """The arguments of a predictor. The last four are file descriptors; `gpu_socket` is a socket.

    `device` is torch's name of what it must compute on.
    """

    submission: Path
    device: str
    memory: int
    requests: int
    replies: int
    gpu_socket: int


@dataclass(frozen=True)
class Terms:
    """The terms on which a predictor is to work, sent when its turn has come.

    `precision` is torch's name of the precision of matrix products; None: the predictor chooses it
    and names it in its reply. Logits go into the shared file, or `on_device` into memory of the
    GPU, `device_bytes` long. `mark` is a number that the judge has written where the first logit
    will be: by it the predictor knows that both see the same memory.
    """

    shape: Shape
    precision: str | None
    mark: float
    device_bytes: int = 0

    @property
    def on_device(self) -> bool:
        """Return whether logits stay on the GPU."""
        return self.device_bytes > 0

    def line(self) -> bytes:
        """Encode it for the pipe."""
        return BEGIN + msgspec.json.encode(self) + b"\n"


@dataclass(frozen=True)
class Reply:
    """A predictor's answer: done, or why not. `precision` is the one that it will compute in.

    `parameters` are those of the model that it has loaded. The model's own code runs in that
    process and can make this number up; the size of the submission is taken from outside.
    """

    failure: Reason | None = None
    detail: str = ""
    precision: str = ""
    parameters: Annotated[int, msgspec.Meta(ge=0, lt=2**53)] | None = None

    def line(self) -> bytes:
        """Encode it for the pipe."""
        return msgspec.json.encode(self) + b"\n"


def shared_memory() -> int:
    """Make a file without a name, in memory where that can be; return its descriptor."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("autoresearch", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    return descriptor


def resize(descriptor: int, size: int) -> None:
    """Make it `size` bytes long, for good.

    On Linux nobody can change that, so that a submission can't fill the memory through it.
    """
    os.ftruncate(descriptor, size)
    if sys.platform == "linux":
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
