"""Made-up documents for `preparing.py` and `loading.py`, and upstream's way to pack them.

karpathy/autoresearch, in its prepare.py, tokenizes and packs while it trains: it reads batches of
128 documents, tokenizes each in 8 threads, and keeps a buffer of 1,000. For each row of T + 1
tokens it goes through the buffer for the longest document that fits whole into what is left; where
there is none, it crops the shortest to fill the row, and throws away the rest.
"""

import math
import random
from bisect import bisect_right, insort
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from autoresearch_kit.tasks.lm.splits import Split
from autoresearch_kit.tasks.lm.stdlib import StdlibCorpus
from autoresearch_kit.tasks.lm.tokenizer import Tokenizer

BATCH, BUFFER, THREADS = 128, 1_000, 8

MEDIAN_CHARACTERS, SIGMA = 2_700, 1.2
"""Sizes of documents are log-normal, so that upstream's way crops about a third at T = 2,048."""

SPACING = 200
"""Characters from one invented word to the next: text of the web has new words without end."""

SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
GROUP = 1_000
"""Documents in a row group of the parquet file."""


def documents(seed: int = 0) -> Iterator[str]:
    """Yield excerpts of the standard library, with invented words in them, without end."""
    draw = random.Random(seed)
    text = "".join(StdlibCorpus().documents(Split.TRAIN))
    words = ["".join(draw.choices(SYLLABLES, k=draw.randint(2, 5))) for _ in range(1_000_000)]
    while True:
        size = min(int(MEDIAN_CHARACTERS * math.exp(draw.gauss(0, SIGMA))), len(text) // 2)
        start = draw.randrange(len(text) - size - 1)
        end = start + size + 1
        pieces = (text[at : min(at + SPACING, end)] for at in range(start, end, SPACING))
        yield " ".join(f"{piece} {draw.choice(words)}" for piece in pieces)


def write_parquet(path: Path, megabytes: float) -> int:
    """Write so much text of made-up documents, and return its bytes."""
    made, size = documents(), 0
    schema = pa.schema([("text", pa.string())])
    with pq.ParquetWriter(path, schema) as file:
        while size < megabytes * 1e6:
            group = list(islice(made, GROUP))
            file.write_table(pa.table({"text": group}, schema=schema))
            size += sum(len(text.encode()) for text in group)
    return size


def read_batches(path: Path) -> Iterator[list[str]]:
    """Yield the documents of a parquet file, `BATCH` at a time, again and again."""
    while True:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                texts = file.read_row_group(group).column("text").to_pylist()
                yield from (texts[at : at + BATCH] for at in range(0, len(texts), BATCH))


class OnTheFly:
    """Upstream's loader."""

    def __init__(self, batches: Iterator[list[str]], tokenizer: Tokenizer, context: int) -> None:
        self._batches = batches
        self._tokenizer = tokenizer
        self._length = context + 1
        self._buffer: list[list[int]] = []

    def batches(self, rows: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield inputs and targets `[rows, T]`, while there are documents."""
        block = torch.empty((rows, self._length), dtype=torch.long)
        while all(self._fill(row) for row in block):
            yield block[:, :-1].contiguous(), block[:, 1:].contiguous()

    def _fill(self, row: Tensor) -> bool:
        at = 0
        while at < self._length:
            if not self._refill():
                return False
            document = self._next(self._length - at)
            row[at : at + len(document)] = torch.tensor(document, dtype=torch.long)
            at += len(document)
        return True

    def _refill(self) -> bool:
        while len(self._buffer) < BUFFER:
            texts = next(self._batches, None)
            if texts is None:
                return False
            encoded = self._tokenizer.encoding.encode_ordinary_batch(texts, num_threads=THREADS)
            self._buffer += [[self._tokenizer.bos, *tokens] for tokens in encoded]
        return True

    def _next(self, room: int) -> list[int]:
        longest = -1
        for index, document in enumerate(self._buffer):
            fits = len(document) <= room
            if fits and (longest < 0 or len(document) > len(self._buffer[longest])):
                longest = index
        if longest >= 0:
            return self._buffer.pop(longest)
        shortest = min(range(len(self._buffer)), key=lambda index: len(self._buffer[index]))
        return self._buffer.pop(shortest)[:room]


def cropped_on_the_fly(sizes: list[int], length: int) -> float:
    """Return the share of tokens that upstream's way drops, of documents of such sizes with BOS.

    Counted over the second half: at first its buffer keeps the long documents, and crops few.
    """
    buffer: list[int] = []
    used = cropped = 0
    for start in range(0, len(sizes), BATCH):
        if start < len(sizes) // 2 <= start + BATCH:
            used = cropped = 0
        for size in sizes[start : start + BATCH]:
            insort(buffer, size)
        while len(buffer) >= BUFFER:
            used += length
            cropped += _fill_row(buffer, length)
    return cropped / (used + cropped)


def _fill_row(buffer: list[int], length: int) -> int:
    """Take what a row is made of from the sorted sizes, and return the tokens cropped."""
    room = length
    while room > 0:
        fitting = bisect_right(buffer, room)
        room -= buffer.pop(fitting - 1 if fitting else 0)
    return -room
