"""What judge and predictor say to each other, and the memory in which they swap arrays.

Requests and replies are lines on two pipes that nobody else holds; inputs and logits lie in one
shared file without a name. On a GPU the logits stay there, in memory that both have mapped: its
descriptor comes through a socket. Nothing that the predictor sends is ever unpickled.
"""

import fcntl
import mmap
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from autoresearch_kit.records import Reason

INPUT_BYTES = 8
"""An input is an int64."""

LOGIT_BYTES = 4
"""A logit is a float32."""

REPLY_BYTES = 4096
"""No reply is longer."""

DETAIL_LENGTH = 300
"""Characters of a failure's detail."""

BEGIN = b"begin "
"""The turn of a predictor that waits, and the terms: only now may it use a GPU."""

LOAD = b"load\n"
PREDICT = b"predict\n"
PREDICT_FULL = b"predict in float32\n"


@dataclass(frozen=True)
class Shape:
    """Of a batch: B rows of T inputs, and logits over V tokens at each."""

    rows: int
    context: int
    vocab_size: int

    @property
    def inputs(self) -> int:
        """Inputs in a batch."""
        return self.rows * self.context

    @property
    def logits(self) -> int:
        """Logits in a batch."""
        return self.inputs * self.vocab_size

    @property
    def logits_offset(self) -> int:
        """Where in the shared file the logits begin: on the first page after the inputs."""
        return -(-self.inputs * INPUT_BYTES // mmap.PAGESIZE) * mmap.PAGESIZE

    @property
    def size(self) -> int:
        """Bytes of the shared file."""
        return self.logits_offset + self.logits * LOGIT_BYTES


@dataclass(frozen=True)
class PredictorSpec:
    """The arguments of a predictor. The last four are file descriptors; `door` is a socket.

    `device` is torch's name of what it must compute on.
    """

    submission: Path
    device: str
    memory: int
    requests: int
    replies: int
    door: int


@dataclass(frozen=True)
class Terms:
    """What a predictor is told when its turn comes.

    `precision` is torch's name of what matrix products are computed in; None: the predictor chooses
    it, and says so in its reply. Logits go into the shared file, or `on_device` into memory of the
    GPU, `device_bytes` long. `mark` is what the judge has written where the first logit will be: by
    it the predictor knows that both see the same memory.
    """

    shape: Shape
    precision: str | None
    mark: float
    device_bytes: int = 0

    @property
    def on_device(self) -> bool:
        """Whether logits stay on the GPU."""
        return self.device_bytes > 0

    def line(self) -> bytes:
        """As it goes through the pipe."""
        return BEGIN + msgspec.json.encode(self) + b"\n"


@dataclass(frozen=True)
class Reply:
    """A predictor's answer: done, or why not. `precision` is what it will compute in."""

    failure: Reason | None = None
    detail: str = ""
    precision: str = ""

    def line(self) -> bytes:
        """As it goes through the pipe."""
        return msgspec.json.encode(self) + b"\n"


def shared_memory() -> int:
    """The descriptor of a new file without a name, in memory where that can be."""
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
