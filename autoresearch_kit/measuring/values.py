"""Plain values as bytes that any process may decode: MessagePack, with arrays. Never a pickle.

An array is an extension of MessagePack: the length of its type's name (1 byte), that name, the
number of dimensions (1 byte), each as a little-endian uint64, then its elements in C order.
"""

import re
import struct
import sys
from typing import Protocol, cast

import msgspec
import numpy as np
import numpy.typing as npt

from autoresearch_kit.errors import SubmissionError

Array = npt.NDArray[np.generic]

ARRAY = 1
"""The code of the extension."""

ELEMENT = re.compile(r"[<>|][biufcSUMm]\d{1,9}(\[\d*\w+\])?")
"""Matches the names of elements' types: numbers, bytes, text and times; no objects, no records."""

DIMENSIONS = 32


class Tensor(Protocol):
    """The parts of a torch tensor that are used here."""

    def detach(self) -> "Tensor":
        """Return it without its gradient's history."""

    def float(self) -> "Tensor":
        """Return it in float32."""

    def cpu(self) -> "Tensor":
        """Return it in the host's memory."""

    def numpy(self) -> Array:
        """Return it as an array."""


def encode(value: object) -> bytes:
    """Encode numbers, text, bytes, None, lists, dictionaries, arrays and torch tensors.

    Tuples and sets come back as lists, tensors and tables as arrays.

    Raises:
        SubmissionError: something else is in it.
    """
    try:
        return msgspec.msgpack.encode(value, enc_hook=_plain)
    except (OverflowError, RecursionError, TypeError, UnicodeEncodeError, ValueError) as error:
        raise SubmissionError(f"the answer can't be handed over: {error}") from error


def decode(data: bytes | bytearray) -> object:
    """Return the value that untrusted bytes encode.

    Raises:
        SubmissionError: they encode none.
    """
    try:
        return cast("object", msgspec.msgpack.decode(data, ext_hook=_array))
    except (msgspec.DecodeError, RecursionError, TypeError, ValueError) as error:
        raise SubmissionError(f"the answer can't be read: {error}") from error


def _plain(value: object) -> object:
    """Return what MessagePack has a form for in place of `value`."""
    if _is_tensor(value):
        return _extension(_of_tensor(cast("Tensor", value)))
    if isinstance(value, np.generic):
        return cast("object", value.item())
    if isinstance(value, complex) or hasattr(value, "__array__"):
        array = np.asarray(value)
        return array.tolist() if array.dtype.hasobject else _extension(array)
    kind = type(value).__name__
    raise SubmissionError(
        f"the submission returned something of type {kind}; numbers, text, bytes, None, lists, "
        "dictionaries, arrays and tensors are expected"
    )


def _is_tensor(value: object) -> bool:
    torch = sys.modules.get("torch")  # not imported: no tensor
    return torch is not None and isinstance(value, torch.Tensor)


def _of_tensor(tensor: Tensor) -> Array:
    tensor = tensor.detach().cpu()
    try:
        return tensor.numpy()
    except TypeError:  # NumPy has no bfloat16
        return tensor.float().numpy()


def _extension(array: Array) -> msgspec.msgpack.Ext:
    name = array.dtype.str
    if ELEMENT.fullmatch(name) is None or array.ndim > DIMENSIONS:
        raise SubmissionError(f"the submission returned an array of {array.dtype}")
    head = struct.pack(f"<B{len(name)}sB", len(name), name.encode(), array.ndim)
    shape = struct.pack(f"<{array.ndim}Q", *array.shape)
    return msgspec.msgpack.Ext(ARRAY, head + shape + array.tobytes())


def _array(code: int, data: memoryview) -> Array:
    if code != ARRAY:
        raise ValueError(f"an extension {code}")
    length = data[0] if data else 0
    name = bytes(data[1 : 1 + length]).decode("ascii")
    if ELEMENT.fullmatch(name) is None:
        raise ValueError(f"an array of {name[:20]!r}")
    dimensions = data[1 + length] if len(data) > 1 + length else DIMENSIONS + 1
    start = 2 + length + 8 * dimensions
    if dimensions > DIMENSIONS or len(data) < start:
        raise ValueError("an array that is cut short")
    shape = struct.unpack(f"<{dimensions}Q", data[2 + length : start])
    kind = np.dtype(name)
    if kind.itemsize * _product(shape) != len(data) - start:
        raise ValueError("an array whose size is not that of its shape")
    # copied, so that it can be written to, and does not keep all of the answer
    return np.frombuffer(bytes(data[start:]), kind).reshape(shape).copy()


def _product(shape: tuple[int, ...]) -> int:
    """Return the number of elements; exact, however large a shape is claimed."""
    count = 1
    for size in shape:
        count *= size
    return count
