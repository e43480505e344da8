"""Best fit of documents into rows of one length: no padding, and hardly a token is lost.

Each row begins at BOS. The longest document that fits whole is next, and where none fits, the
shortest is cut to fill the row, as in karpathy/autoresearch. There, the rest of a document that was
cut or is longer than a row is thrown away. Here it waits for another row, behind a BOS.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.uint16]

POOL_TOKENS = 4_000_000
"""The most tokens that wait for a row: some thousands of documents, in 10 to 50 MB."""


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
        self._waiting = 0
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
        for start in range(0, whole, inputs):
            row = np.empty(self._length, dtype=document.dtype)
            row[0], row[1:] = self._bos, document[start : start + inputs]
            self.continued += inputs if start else 0
            yield row
        if whole < len(document):
            # a copy, since a view would keep all of a long document
            self._put(_Piece(document[whole:].copy(), late=False), cut_off=whole > 0)

    def _put(self, piece: _Piece, *, cut_off: bool) -> None:
        if cut_off and not piece.late:
            self.continued += len(piece.tokens)
            piece = _Piece(piece.tokens, late=True)
        size = len(piece.tokens) + 1
        self._by_size[size].append(piece)
        self._sizes |= 1 << size
        self._waiting += size

    def _fill(self) -> Tokens:
        row = np.empty(self._length, dtype=np.uint16)
        at = 0
        while at < self._length:
            piece = self._next(self._length - at)
            row[at] = self._bos
            row[at + 1 : at + 1 + len(piece)] = piece
            at += 1 + len(piece)
        return row

    def _next(self, room: int) -> Tokens:
        """Return the next piece of a row that has room for so many tokens, the BOS included."""
        fitting = self._sizes & ((2 << room) - 1)
        if fitting:
            return self._take(fitting.bit_length() - 1).tokens
        piece = self._take((self._sizes & -self._sizes).bit_length() - 1)
        head, rest = piece.tokens[: room - 1], piece.tokens[room - 1 :]
        self._put(_Piece(rest, piece.late), cut_off=len(head) > 0)
        return head

    def _take(self, size: int) -> _Piece:
        pieces = self._by_size[size]
        piece = pieces.popleft()
        self._waiting -= size
        if not pieces:
            self._sizes &= ~(1 << size)
        return piece
