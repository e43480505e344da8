"""What a data set is made of, made: tokenizer, shards, and the record of both."""

import hashlib
import lzma
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autoresearch_kit.atomic import write_atomic
from autoresearch_kit.codec import encode
from autoresearch_kit.errors import CorpusError, InputError
from autoresearch_kit.lm import tokenizer as bpe
from autoresearch_kit.lm.dataset import INFO_FILE, TOKEN_BYTES_FILE, TOKENIZER_FOLDER, Tokens
from autoresearch_kit.lm.packing import TOKEN, TOKENS_FILE, Shard, pack, row_starts
from autoresearch_kit.lm.splits import DIGEST_LENGTH, Census, Corpus, Split
from autoresearch_kit.lm.tokenizer import Tokenizer
from autoresearch_kit.records import DatasetInfo

VOCAB_SIZE, CONTEXT = 1_024, 512
EVAL_ROWS = 128
"""65,536 tokens of T = 512: 3 s of predicting on two cores. All models share its sampling error."""

LEAST_ROWS = 8
"""Fewer scored rows than these would measure luck."""

PACKING = "1: uint16 little endian, BOS before each document"

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], object]]]
"""A bar for one stage, of so many bytes; what it yields is told the bytes done since last told."""


@dataclass(frozen=True)
class Options:
    """How a corpus is prepared: no merges, or a vocabulary of so many tokens; the context T."""

    bytes_only: bool = False
    vocab_size: int = VOCAB_SIZE
    context: int = CONTEXT

    def __post_init__(self) -> None:
        if self.context < 1:
            raise InputError(f"context of {self.context} tokens: give at least 1")

    def suffix(self) -> str:
        """What they add to the folder's name: nothing for the default."""
        vocabulary = f"-v{self.vocab_size}" if self.vocab_size != VOCAB_SIZE else ""
        context = f"-t{self.context}" if self.context != CONTEXT else ""
        return ("-bytes" if self.bytes_only else vocabulary) + context

    def packing_digest(self) -> str:
        """Short hex digest of how text becomes tokens."""
        vocabulary = 256 if self.bytes_only else self.vocab_size
        return _digest(PACKING.encode(), bpe.PATTERN.encode(), b"%d" % vocabulary)


def build(
    source: Corpus, counted: Census, options: Options, folder: Path, progress: Progress
) -> DatasetInfo:
    """Fill `folder` with the data set; `dataset.json`, which makes it complete, comes last.

    Raises:
        CorpusError: a split is too small to be scored.
        OSError: the disk is full.
    """
    with progress("learning the tokenizer", counted.sizes[Split.TRAIN]) as advance:
        tokenizer = _learn(source, options, advance)
    tokenizer.save(folder / TOKENIZER_FOLDER)
    np.save(folder / TOKEN_BYTES_FILE, tokenizer.token_bytes())
    shards = {}
    with progress("packing tokens", counted.total) as advance:
        for split in Split:
            path = folder / split.value / TOKENS_FILE
            shards[split] = pack(source.documents(split), tokenizer, path, advance)
    rows = _eval_rows(shards, options.context)
    val = np.memmap(folder / Split.VAL.value / TOKENS_FILE, dtype=TOKEN, mode="r")
    info = DatasetInfo(
        name=source.name + options.suffix(),
        vocab_size=tokenizer.vocab_size,
        context=options.context,
        eval_rows=rows,
        train_tokens=shards[Split.TRAIN].tokens,
        val_tokens=shards[Split.VAL].tokens,
        audit_tokens=shards[Split.AUDIT].tokens,
        train_bytes=shards[Split.TRAIN].bytes,
        val_bytes=shards[Split.VAL].bytes,
        audit_bytes=shards[Split.AUDIT].bytes,
        corpus=counted.digest,
        tokenizer=tokenizer.digest(),
        packing=options.packing_digest(),
        xz_bpb=xz_bits_per_byte(_scored_text(val, options.context, rows, tokenizer)),
        hidden=tuple(map(str, source.hidden())),
    )
    write_atomic(folder / INFO_FILE, encode(info))
    return info


def _scored_text(val: Tokens, context: int, rows: int, tokenizer: Tokenizer) -> bytes:
    starts = row_starts(len(val), context, rows)
    targets = val[starts[:, None] + np.arange(1, context + 1)]
    return tokenizer.decode(targets.flatten().tolist())


def xz_bits_per_byte(text: bytes) -> float:
    """What `xz -9e` makes of a text, in bits per byte of it."""
    return 8 * len(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME)) / len(text)


def _learn(source: Corpus, options: Options, advance: Callable[[int], object]) -> Tokenizer:
    if options.bytes_only:
        return bpe.bytes_only()
    return bpe.train(_told(source.documents(Split.TRAIN), advance), options.vocab_size)


def _told(documents: Iterator[str], advance: Callable[[int], object]) -> Iterator[str]:
    for document in documents:
        yield document
        advance(len(document.encode()))


def _eval_rows(shards: Mapping[Split, Shard], context: int) -> int:
    """Rows scored per shard: as many as val and audit both have, up to a limit."""
    for split, shard in shards.items():
        least = LEAST_ROWS * context + 1
        if shard.tokens < least:
            raise CorpusError(
                f"{split} has {shard.tokens:,} tokens; at least {least:,} are needed: "
                "give more text, in more documents, or a smaller context"
            )
    scored = (shards[split].tokens for split in (Split.VAL, Split.AUDIT))
    return min(EVAL_ROWS, *((tokens - 1) // context for tokens in scored))


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:DIGEST_LENGTH]
