"""The three parts of a corpus, and what every corpus offers."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

Advance = Callable[[int], object]
"""Told how many bytes are done since it was last told; fewer than 0, where some count no more."""


class Split(StrEnum):
    """Which part of a corpus: to learn from, to score every run, to check a campaign at its end."""

    TRAIN = "train"
    VAL = "val"
    AUDIT = "audit"


def metric_name(split: Split) -> str:
    """Return the name of the bits per byte that are measured on a split, such as val_bpb."""
    return f"{split}_bpb"


@dataclass(frozen=True)
class Sizes:
    """What a corpus is prepared with unless the user says otherwise.

    Tokens in the vocabulary, tokens of context T, and rows of T that a model is scored on: 65,536
    tokens by default, which take two cores 3 s. The sampling error of a difference is 40% of the
    noise then (`benchmarks/scored_size.py`).
    """

    vocab_size: int = 1_024
    context: int = 512
    eval_rows: int = 128

    def suffix(self, usual: "Sizes") -> str:
        """Return what these add to a data set's name: nothing for what is usual."""
        vocabulary = f"-v{self.vocab_size}" if self.vocab_size != usual.vocab_size else ""
        context = f"-t{self.context}" if self.context != usual.context else ""
        rows = f"-e{self.eval_rows}" if self.eval_rows != usual.eval_rows else ""
        return vocabulary + context + rows


class Corpus(Protocol):
    """Text in documents. Every call of `documents` yields the same documents in the same order."""

    @property
    def name(self) -> str:
        """What the user calls it, and what its folder is called."""

    @property
    def sizes(self) -> Sizes:
        """What suits it."""

    def documents(self, split: Split) -> Iterator[str]:
        """The documents of one split, one at a time.

        Raises:
            CorpusError: a file can't be read, or has no text.
        """

    def hidden(self) -> tuple[Path, ...]:
        """Real paths of the files that hold val or audit text; a sandbox covers them."""


@dataclass(frozen=True)
class Census:
    """What a corpus holds: UTF-8 bytes by split, and a short hex digest of all its text."""

    sizes: Mapping[Split, int]
    digest: str

    @property
    def total(self) -> int:
        """Bytes in all splits."""
        return sum(self.sizes.values())


def census(corpus: Corpus, advance: Advance = lambda _: None) -> Census:
    """Read the whole corpus once, and count and digest it; `advance` is told the bytes read.

    Raises:
        CorpusError: a file can't be read, or has no text.
    """
    digest, sizes = hashlib.sha256(), {}
    for split in Split:
        sizes[split] = 0
        digest.update(f"{split.value}\n".encode())
        for document in corpus.documents(split):
            data = document.encode()
            digest.update(len(data).to_bytes(8, "little") + data)
            sizes[split] += len(data)
            advance(len(data))
    return Census(sizes, digest.hexdigest()[:DIGEST_LENGTH])


DIGEST_LENGTH = 16
"""Hex digits kept of a SHA-256."""


def number(key: bytes) -> int:
    """A number below 2**64 that depends on `key` alone, on every machine: the luck of a split."""
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "little")
