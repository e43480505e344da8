"""Documents to a shard of tokens: uint16, little endian, BOS before each document."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autoresearch_kit.lm.tokenizer import Tokenizer

TOKENS_FILE = "tokens.bin"
TOKEN = np.dtype("<u2")
BATCH_BYTES = 1_000_000
"""Text that is held in memory while it is encoded."""


@dataclass(frozen=True)
class Shard:
    """What was packed: tokens with BOS, and the UTF-8 bytes they stand for."""

    tokens: int
    bytes: int


def pack(
    documents: Iterable[str], tokenizer: Tokenizer, path: Path, advance: Callable[[int], object]
) -> Shard:
    """Write the documents' tokens to `path`, all or nothing, in bounded memory.

    `advance` is told the bytes of text done since the last call.

    Raises:
        OSError: the disk is full or the folder can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    lengths = tokenizer.token_bytes()
    tokens = size = 0
    with part.open("wb") as file:
        for batch in _batches(documents):
            packed = _encode(batch, tokenizer)
            file.write(packed.data)
            done = int(lengths[packed].sum(dtype=np.int64))
            tokens, size = tokens + len(packed), size + done
            advance(done)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    return Shard(tokens, size)


def _encode(batch: list[str], tokenizer: Tokenizer) -> npt.NDArray[np.uint16]:
    encoded = tokenizer.encode(batch, threads=os.cpu_count() or 1)
    total = sum(map(len, encoded)) + len(encoded)
    bos = tokenizer.bos
    return np.fromiter((t for tokens in encoded for t in (bos, *tokens)), dtype=TOKEN, count=total)


def _batches(documents: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document)
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def row_starts(tokens: int, context: int, count: int) -> npt.NDArray[np.int64]:
    """Where `count` rows of T targets begin in a shard of so many tokens: spread evenly over it."""
    rows = (tokens - 1) // context
    return np.arange(count, dtype=np.int64) * rows // count * context
