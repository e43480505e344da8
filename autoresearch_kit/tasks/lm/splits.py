"""Every corpus offers documents in three splits, and the sizes that suit it."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from autoresearch_kit.errors import InputError

Advance = Callable[[int], object]  # takes the bytes that were done since the last call
DIGEST_LENGTH = 16  # hex digits kept of a SHA-256

SMALLEST_VOCABULARY, LARGEST_VOCABULARY = 257, 65_536
LEAST_CONTEXT, LARGEST_CONTEXT = 2, 131_072
LEAST_ROWS = 8  # fewer scored rows than these would measure luck


class Split(StrEnum):
    """A part of a corpus: to learn from, to score every run, to check a campaign at its end."""

    TRAIN = "train"
    VAL = "val"
    AUDIT = "audit"


def metric_name(split: Split) -> str:
    """Return the name of the bits per byte that are measured on a split, such as val_bpb."""
    return f"{split}_bpb"


@dataclass(frozen=True)
class Sizes:
    """The sizes that a corpus is prepared with.

    Tokens in the vocabulary, tokens of context T, and rows of T that a model is scored on, or as
    many as there are: 65,536 tokens by default, which take two cores 3 s. The sampling error of a
    difference is 40% of the noise then (`benchmarks/scored_size.py`). With `bytes_only` every byte
    is a token, and `vocab_size` counts for nothing.

    Raises:
        InputError: a size is out of range.
    """

    vocab_size: int = 1_024
    context: int = 512
    eval_rows: int = 128
    bytes_only: bool = False

    def __post_init__(self) -> None:
        if not SMALLEST_VOCABULARY <= self.vocab_size <= LARGEST_VOCABULARY:
            raise InputError(
                f"a vocabulary of {self.vocab_size} tokens: give {SMALLEST_VOCABULARY} (every "
                f"byte, and the beginning of a document) to {LARGEST_VOCABULARY} (16 bits), as in "
                "--vocab-size 8192"
            )
        if not LEAST_CONTEXT <= self.context <= LARGEST_CONTEXT:
            raise InputError(
                f"a context of {self.context} tokens: give {LEAST_CONTEXT} to {LARGEST_CONTEXT}, "
                "as in --context 2048"
            )
        if self.eval_rows < LEAST_ROWS:
            raise InputError(f"{self.eval_rows} rows to score: give at least {LEAST_ROWS}")

    def suffix(self, usual: "Sizes") -> str:
        """Return the suffix of a data set's name; empty for the usual sizes."""
        vocabulary = "" if self.vocab_size == usual.vocab_size else f"-v{self.vocab_size}"
        context = "" if self.context == usual.context else f"-t{self.context}"
        rows = "" if self.eval_rows == usual.eval_rows else f"-e{self.eval_rows}"
        return ("-bytes" if self.bytes_only else vocabulary) + context + rows


class Corpus(Protocol):
    """Text in documents. Every call of `documents` yields the same documents in the same order."""

    @property
    def name(self) -> str:
        """Return the name that its data set and the data set's folder get."""

    @property
    def sizes(self) -> Sizes:
        """Return the sizes that suit the corpus."""

    def documents(self, split: Split) -> Iterator[str]:
        """Yield the documents of one split; CorpusError if a file can't be read, or has no text."""

    def hidden(self) -> tuple[Path, ...]:
        """Return real paths of the files that hold val or audit text; a sandbox covers them."""


def number(key: bytes) -> int:
    """Return a number below 2**64 that depends on `key` alone; it draws a document's split."""
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "little")
