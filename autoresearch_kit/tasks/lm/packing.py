"""Packs documents into a shard: rows of T + 1 tokens, without padding, uint16, little endian.

Each row begins at BOS. The longest document that fits whole is next, and where none fits, the
shortest is cut to fill the row, as in karpathy/autoresearch. There, the rest of a document that was
cut or is longer than a row is thrown away. Here it waits for another row, behind a BOS.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autoresearch_kit.machine import cgroups
from autoresearch_kit.tasks.lm.splits import Advance
from autoresearch_kit.tasks.lm.tokenizer import Tokenizer

TOKENS_FILE = "tokens.bin"
TOKEN = np.dtype("<u2")

BATCH_BYTES = 250_000  # the text that one thread encodes at a time
AHEAD = 2  # the most batches for each thread that are encoded, or wait for that

POOL_TOKENS = 4_000_000
"""The most tokens that wait for a row: some thousands of documents, in 10 to 50 MB."""

Tokens = npt.NDArray[np.uint16]


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
    documents: Iterable[str], tokenizer: Tokenizer, context: int, path: Path, advance: Advance
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
    waiting: deque[Future[list[Tokens]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for batch in _batches(documents, advance):
            waiting.append(pool.submit(lambda texts: list(map(tokenizer.encode, texts)), batch))
            if len(waiting) > AHEAD * threads:
                yield from waiting.popleft().result()
        for future in waiting:
            yield from future.result()


def _batches(documents: Iterable[str], advance: Advance) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.encode())
        if size >= BATCH_BYTES:
            advance(size)
            yield batch
            batch, size = [], 0
    advance(size)
    yield batch


@dataclass(frozen=True)
class _Piece:
    """Tokens without their BOS; `late` where they are not the beginning of their document."""

    tokens: Tokens
    late: bool


class Packer:
    """Packs one shard into rows of `length` tokens: T inputs and one more.

    Once all rows are out, `text` counts the tokens of all documents, `continued` those of them that
    were cut off from what comes before them, `cropped` those in no row: fewer than a row has.
    """

    def __init__(self, bos: int, length: int, pool_tokens: int = POOL_TOKENS) -> None:
        self.text = 0
        self.continued = 0
        self.cropped = 0
        self._bos = bos
        self._length = length
        self._pool_tokens = pool_tokens
        self._waiting = 0  # tokens of all pieces that wait, each with its BOS
        self._by_size: list[deque[_Piece]] = [deque() for _ in range(length + 1)]
        self._sizes = 0  # bit n is set where a piece of n tokens, BOS included, waits

    def rows(self, documents: Iterable[Tokens]) -> Iterator[Tokens]:
        """Yield all rows of the documents, each of which is given as its tokens without BOS."""
        for document in documents:
            self.text += len(document)
            yield from self._whole_rows(document)
            while self._waiting > self._pool_tokens:
                yield self._fill()
        while self._waiting >= self._length:
            yield self._fill()
        self.cropped = sum(len(piece.tokens) for pieces in self._by_size for piece in pieces)

    def _whole_rows(self, document: Tokens) -> Iterator[Tokens]:
        """Yield the rows that a document fills by itself; its rest, if any, waits."""
        inputs = self._length - 1
        whole = len(document) - len(document) % inputs
        self.continued += max(0, len(document) - inputs)
        for start in range(0, whole, inputs):
            row = np.empty(self._length, dtype=document.dtype)
            row[0], row[1:] = self._bos, document[start : start + inputs]
            yield row
        if whole < len(document):
            # a copy, since a view would keep all of a long document
            self._put(_Piece(document[whole:].copy(), late=whole > 0))

    def _fill(self) -> Tokens:
        row = np.empty(self._length, dtype=np.uint16)
        at = 0
        while at < self._length:
            tokens = self._next(self._length - at)
            row[at] = self._bos
            row[at + 1 : at + 1 + len(tokens)] = tokens
            at += 1 + len(tokens)
        return row

    def _next(self, room: int) -> Tokens:
        """Return the next tokens of a row that has room for so many, the BOS included."""
        fitting = self._sizes & ((2 << room) - 1)
        if fitting:
            return self._take(fitting.bit_length() - 1).tokens
        piece = self._take((self._sizes & -self._sizes).bit_length() - 1)  # the lowest bit set
        head, rest = piece.tokens[: room - 1], piece.tokens[room - 1 :]
        cut = len(head) > 0  # there may be room for the BOS alone
        if cut and not piece.late:
            self.continued += len(rest)
        self._put(_Piece(rest, late=piece.late or cut))
        return head

    def _put(self, piece: _Piece) -> None:
        size = len(piece.tokens) + 1
        self._by_size[size].append(piece)
        self._sizes |= 1 << size
        self._waiting += size

    def _take(self, size: int) -> _Piece:
        pieces = self._by_size[size]
        piece = pieces.popleft()
        self._waiting -= size
        if not pieces:
            self._sizes &= ~(1 << size)
        return piece


def spread(rows: int, count: int) -> npt.NDArray[np.int64]:
    """Return the indices of `count` rows that are scored, spread evenly over all rows."""
    return np.arange(count, dtype=np.int64) * rows // count
