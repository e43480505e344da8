"""Records to JSON and back, checked against their types."""

from pathlib import Path
from typing import TypeVar

import msgspec

from autoresearch_kit.errors import InputError

T = TypeVar("T")


def encode(record: object) -> bytes:
    """A record as indented JSON, ready to be read by people too.

    Raises:
        InputError: a text in it can't be written, such as half of a surrogate pair.
    """
    try:
        return msgspec.json.format(msgspec.json.encode(record, enc_hook=_encode_path), indent=1)
    except UnicodeEncodeError as error:
        raise InputError(f"a {type(record).__name__} has text that is no text: {error}") from error


def compact(record: object) -> bytes:
    """A record as JSON on one line."""
    return msgspec.json.encode(record, enc_hook=_encode_path)


def decode(kind: type[T], data: bytes | str) -> T:
    """The record of type `kind` in `data`.

    Raises:
        InputError: it is not JSON, or a field is missing or of another type; the message names it.
    """
    try:
        return msgspec.json.decode(data, type=kind, dec_hook=_decode_path)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"not a {kind.__name__}: {error}") from error


def _encode_path(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"can't write a {type(value).__name__}")


def _decode_path(kind: type, value: object) -> Path:
    if issubclass(kind, Path) and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(f"can't read a {kind.__name__}")
