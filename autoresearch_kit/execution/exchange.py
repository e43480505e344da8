"""What judge and predictor say to each other, and the memory in which they swap arrays.

Requests and replies are lines on two pipes that nobody else holds; inputs and logits lie in one
shared file without a name. Nothing that the predictor sends is ever unpickled.
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

LOAD = b"load\n"
PREDICT = b"predict\n"


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
    """What a predictor is told at its start. `memory`, `requests`, `replies` are descriptors."""

    submission: Path
    shape: Shape
    device: str | None
    memory: int
    requests: int
    replies: int


@dataclass(frozen=True)
class Reply:
    """A predictor's answer: done, or why not."""

    failure: Reason | None = None
    detail: str = ""

    def line(self) -> bytes:
        """As it goes through the pipe."""
        return msgspec.json.encode(self) + b"\n"


def shared_memory(size: int) -> int:
    """The descriptor of a new file of `size` bytes: without a name, in memory where that can be.

    On Linux nobody can change its size, so that a submission can't fill the memory through it.
    """
    descriptor = _nameless()
    os.ftruncate(descriptor, size)
    if sys.platform == "linux":
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


def _nameless() -> int:
    if sys.platform == "linux":
        descriptor = os.memfd_create("autoresearch", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    return descriptor
