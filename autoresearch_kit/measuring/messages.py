"""The messages between a measuring kernel and its judge, and the payloads after some of them.

A message is its length as a little-endian uint32, then a record in MessagePack.
"""

import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")

PATHS = "AUTORESEARCH_MEASURE"
"""Environment variable of a measuring kernel: `MeasuringPaths`, in JSON."""

MESSAGE_BYTES = 1_000_000
"""No message is longer; payloads may be."""

PIECE_BYTES = 2**20

LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class MeasuringPaths:
    """Paths that a measuring kernel gets, and the descriptor of its socket to the judge.

    `trusted`: what was handed over may be loaded beside the hidden data. `submission` is None
    unless that is so and one was submitted.
    """

    hidden: Path
    data: Path
    output: Path
    socket: int
    trusted: bool = False
    submission: Path | None = None


class RequestKind(StrEnum):
    """The requests of a measuring kernel."""

    PREDICT = "predict"
    FRESH = "fresh"
    REPORT = "report"
    REFUSE = "refuse"


@dataclass(frozen=True)
class Request:
    """A request: `size` bytes of inputs follow PREDICT, the others have no payload.

    `rows` are the rows of the inputs, and `module` that of their type, which is imported before the
    time counts. `values` are what is reported, `detail` why it is refused.
    """

    kind: RequestKind
    size: int = 0
    rows: int = 0
    module: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    detail: str = ""


@dataclass(frozen=True)
class Answer:
    """The judge's answer: a failure in words, or, after PREDICT, `size` bytes of outputs.

    `PredictSeconds` follows these bytes.
    """

    failure: str = ""
    size: int = 0


@dataclass(frozen=True)
class PredictSeconds:
    """The seconds from the first byte of the inputs to the last of the outputs."""

    seconds: float


def send(end: socket.socket, message: object) -> None:
    """Send a message.

    Raises:
        OSError: the other end is gone.
    """
    data = msgspec.msgpack.encode(message)
    end.sendall(LENGTH.pack(len(data)) + data)


def receive(end: socket.socket, kind: type[T]) -> T:
    """Return the next message.

    Raises:
        EOFError: the other end is gone.
        msgspec.DecodeError: it is no such message.
    """
    (length,) = LENGTH.unpack(exactly(end, LENGTH.size))
    if length > MESSAGE_BYTES:
        raise msgspec.DecodeError(f"a message of {length:,} bytes")
    return msgspec.msgpack.decode(exactly(end, length), type=kind)


def exactly(end: socket.socket, size: int) -> bytearray:
    """Return the next `size` bytes.

    Raises:
        EOFError: the other end is gone.
    """
    data = bytearray(size)
    left = memoryview(data)
    while left:
        left = left[_received(end, left) :]
    return data


def pieces(end: socket.socket, size: int) -> Iterator[memoryview]:
    """Yield the next `size` bytes as they come; each piece is gone with the next one.

    Raises:
        EOFError: the other end is gone.
    """
    room = memoryview(bytearray(min(size, PIECE_BYTES)))
    while size:
        count = _received(end, room[: min(size, PIECE_BYTES)])
        size -= count
        yield room[:count]


def _received(end: socket.socket, room: memoryview) -> int:
    count = end.recv_into(room)
    if not count:
        raise EOFError("the other end is gone")
    return count
