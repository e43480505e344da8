"""Packs documents into a shard: rows of T + 1 tokens, uint16, little endian, by best fit."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autoresearch_kit.machine import cgroups
from autoresearch_kit.tasks.lm.bestfit import Packer, Tokens
from autoresearch_kit.tasks.lm.splits import Advance
from autoresearch_kit.tasks.lm.tokenizer import Tokenizer

TOKENS_FILE = "tokens.bin"
TOKEN = np.dtype("<u2")

BATCH_CHARACTERS = 250_000
"""The text that one thread encodes at a time."""

AHEAD = 2
"""The most batches for each thread that are encoded, or wait for that."""


@dataclass(frozen=True)
class Shard:
    """The size of a packed shard: rows, their tokens with BOS, and the UTF-8 bytes in them.

    `continued` and `cropped` are shares of the text's tokens: those cut off from what comes before
    them in their document, and those that are in no row.
    """

    rows: int
    tokens: int
    bytes: int
    continued: float
    cropped: float


def pack(
    documents: Iterable[str],
    tokenizer: Tokenizer,
    context: int,
    path: Path,
    advance: Advance,
) -> Shard:
    """Write the documents' rows to `path`, all or nothing, in bounded memory, on all cores.

    Raises:
        OSError: the disk is full or the folder can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    lengths = tokenizer.token_bytes()
    packer = Packer(tokenizer.bos, context + 1)
    rows = size = 0
    with part.open("wb") as file:
        for row in packer.rows(_encoded(documents, tokenizer, advance)):
            file.write(row.astype(TOKEN, copy=False).data)
            rows, size = rows + 1, size + int(lengths[row].sum(dtype=np.int64))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    text = max(1, packer.text)
    return Shard(rows, rows * (context + 1), size, packer.continued / text, packer.cropped / text)


def _encoded(documents: Iterable[str], tokenizer: Tokenizer, advance: Advance) -> Iterator[Tokens]:
    """Yield each document's tokens, in order; a thread for each core encodes the next ones."""
    threads = cgroups.cpus()
    waiting: deque[Future[tuple[list[Tokens], int]]] = deque()
    with ThreadPoolExecutor(threads) as pool:

        def encoded() -> Iterator[Tokens]:
            tokens, size = waiting.popleft().result()
            advance(size)
            yield from tokens

        for batch in _batches(documents):
            waiting.append(pool.submit(_encode, batch, tokenizer))
            if len(waiting) > AHEAD * threads:
                yield from encoded()
        while waiting:
            yield from encoded()


def _encode(batch: list[str], tokenizer: Tokenizer) -> tuple[list[Tokens], int]:
    return [tokenizer.encode(text) for text in batch], sum(len(text.encode()) for text in batch)


def _batches(documents: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document)
        if size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def spread(rows: int, count: int) -> npt.NDArray[np.int64]:
    """Return the indices of `count` rows that are scored, spread evenly over all rows."""
    return np.arange(count, dtype=np.int64) * rows // count
