"""Test the form in which answers come from unreviewed code: plain values, never a pickle."""

import pickle
import struct
from dataclasses import dataclass

import msgspec
import numpy as np
import pandas as pd
import pytest
import torch

from autoresearch_kit.errors import SubmissionError
from autoresearch_kit.measuring import values


@dataclass
class Point:
    x: float


PLAIN = [
    None, True, 3, -2.5, float("inf"), "text", b"bytes", [1, [2, "x"]], {"a": [1.0], 3: None},
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_come_back_as_they_were(value: object) -> None:
    assert values.decode(values.encode(value)) == value


ARRAYS = [
    np.arange(6, dtype="<i4").reshape(2, 3),
    np.array([1.5, np.nan], dtype=np.float16),
    np.zeros((0, 4)),
    np.array(["text", "more"]),
    np.array([b"bytes"]),
    np.array([True, False]),
    np.array([1 + 2j]),
    np.array(["2026-11-28"], dtype="M8[D]"),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: array.dtype.str)
def test_arrays_keep_type_shape_and_elements(array: values.Array) -> None:
    decoded = values.decode(values.encode({"answer": array}))
    assert isinstance(decoded, dict)
    back = decoded["answer"]
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(back, array)
    assert back.flags.writeable


def test_tensors_and_tables_come_as_arrays() -> None:
    tensor = torch.ones(2, 3, dtype=torch.bfloat16, requires_grad=True)
    table = pd.DataFrame({"a": [1.0, 2.0]})
    answer = values.decode(values.encode([tensor, table, np.float32(0.5)]))
    assert isinstance(answer, list)
    np.testing.assert_array_equal(answer[0], np.ones((2, 3), dtype=np.float32))
    np.testing.assert_array_equal(answer[1], [[1.0], [2.0]])
    assert answer[2] == 0.5


def test_dataclasses_sets_and_columns_of_text_come_as_plain_values() -> None:
    answer = values.decode(values.encode([Point(1.0), {"x"}, pd.Series(["a", None], dtype=object)]))
    assert answer == [{"x": 1.0}, ["x"], ["a", None]]


@pytest.mark.parametrize(
    "value",
    [object(), lambda: 0, 2**70, np.array([object()])],
    ids=["an object", "a function", "a number of 71 bits", "an array of objects"],
)
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(SubmissionError):
        values.encode(value)


def array(name: bytes, shape: tuple[int, ...], data: bytes) -> bytes:
    """Encode what claims to be an array."""
    head = struct.pack(f"<B{len(name)}sB", len(name), name, len(shape))
    claim = head + struct.pack(f"<{len(shape)}Q", *shape) + data
    return msgspec.msgpack.encode(msgspec.msgpack.Ext(values.ARRAY, claim))


FORGED = {
    "a pickle": pickle.dumps([1]),
    "nothing": b"",
    "a list of 4e9 values": b"\xdd\xff\xff\xff\xff",
    "lists without end": b"\x91" * 100_000,
    "another extension": msgspec.msgpack.encode(msgspec.msgpack.Ext(7, b"x")),
    "an empty array": msgspec.msgpack.encode(msgspec.msgpack.Ext(values.ARRAY, b"")),
    "an array of objects": array(b"|O8", (1,), bytes(8)),
    "an array of records": array(b"<i4,(9999999,)i4", (1,), bytes(8)),
    "an array of more than came": array(b"<f8", (10**6,), bytes(8)),
    "an array whose size overflows": array(b"<f8", (2**61, 8), b""),
    "an array of 200 dimensions": array(b"<f8", (1,) * 200, bytes(8)),
    "an array without its shape": msgspec.msgpack.encode(
        msgspec.msgpack.Ext(values.ARRAY, b"\x03<f8\x02")
    ),
}


@pytest.mark.parametrize("data", FORGED.values(), ids=FORGED)
def test_forged_answers_are_refused(data: bytes) -> None:
    with pytest.raises(SubmissionError, match="the answer can't be read"):
        values.decode(data)
