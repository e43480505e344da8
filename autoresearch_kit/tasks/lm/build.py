"""What a data set is made of, made: tokenizer, shards, and the record of both."""

import hashlib
import lzma
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autoresearch_kit.errors import CorpusError, InputError
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.records import DatasetInfo
from autoresearch_kit.records.codec import encode
from autoresearch_kit.tasks.lm import tokenizer as bpe
from autoresearch_kit.tasks.lm.dataset import (
    INFO_FILE,
    TOKEN_BYTES_FILE,
    TOKENIZER_FOLDER,
    USUAL,
    Tokens,
)
from autoresearch_kit.tasks.lm.packing import TOKEN, TOKENS_FILE, Shard, pack, spread
from autoresearch_kit.tasks.lm.splits import DIGEST_LENGTH, Advance, Census, Corpus, Sizes, Split
from autoresearch_kit.tasks.lm.tokenizer import Tokenizer

LEAST_CONTEXT, LARGEST_CONTEXT = 2, 131_072
LEAST_ROWS = 8
"""Fewer scored rows than these would measure luck."""

PACKING = "2: uint16 little endian, best fit in rows of T + 1 from BOS, what is cut off goes on"

XZ_TOKENS = 2_000_000
"""Of more scored tokens, xz is given so many: it takes a second for each 250,000."""

XZ_DICTIONARY = (4_096, 2**26)
"""Bytes: the least that xz takes, and what -9e takes."""

SHARE_DIGITS = 6

Progress = Callable[[str, int], AbstractContextManager[Advance]]
"""A bar for one stage, of so many bytes; what it yields is told the bytes done since last told."""


@dataclass(frozen=True)
class Options:
    """How a corpus is prepared: no merges, or a vocabulary of so many tokens; the context T.

    `eval_rows` are scored, or as many as there are.
    """

    bytes_only: bool = False
    vocab_size: int = USUAL.vocab_size
    context: int = USUAL.context
    eval_rows: int = USUAL.eval_rows

    def __post_init__(self) -> None:
        if not self.bytes_only:
            bpe.check_vocabulary(self.vocab_size)
        if not LEAST_CONTEXT <= self.context <= LARGEST_CONTEXT:
            raise InputError(
                f"a context of {self.context} tokens: give {LEAST_CONTEXT} to {LARGEST_CONTEXT}, "
                "as in --context 2048"
            )
        if self.eval_rows < LEAST_ROWS:
            raise InputError(f"{self.eval_rows} rows to score: give at least {LEAST_ROWS}")

    def suffix(self, usual: Sizes = USUAL) -> str:
        """What they add to the folder's name: nothing for what is usual for the corpus."""
        vocabulary = usual.vocab_size if self.bytes_only else self.vocab_size
        sizes = Sizes(vocabulary, self.context, self.eval_rows)
        return ("-bytes" if self.bytes_only else "") + sizes.suffix(usual)

    def packing_digest(self) -> str:
        """Short hex digest of how text becomes tokens."""
        vocabulary = 256 if self.bytes_only else self.vocab_size
        numbers = b"%d %d" % (vocabulary, self.context)
        return _digest(PACKING.encode(), bpe.PATTERN.encode(), numbers)


def build(
    source: Corpus, counted: Census, options: Options, folder: Path, progress: Progress
) -> DatasetInfo:
    """Fill `folder` with the data set; `dataset.json`, which makes it complete, comes last.

    Raises:
        CorpusError: a split is too small to be scored.
        OSError: the disk is full.
    """
    with progress("learning the tokenizer", counted.sizes[Split.TRAIN]) as advance:
        tokenizer = _learn(source, counted.sizes[Split.TRAIN], options, advance)
    tokenizer.save(folder / TOKENIZER_FOLDER)
    np.save(folder / TOKEN_BYTES_FILE, tokenizer.token_bytes())
    shards = {}
    with progress("packing tokens", counted.total) as advance:
        for split in Split:
            path = folder / split.value / TOKENS_FILE
            documents = source.documents(split)
            shards[split] = pack(documents, tokenizer, options.context, path, advance)
    rows = _eval_rows(shards, options)
    written = np.memmap(folder / Split.VAL.value / TOKENS_FILE, dtype=TOKEN, mode="r")
    val = written.reshape(-1, options.context + 1)
    info = DatasetInfo(
        name=source.name + options.suffix(source.sizes),
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
        xz_bpb=xz_bits_per_byte(_scored_text(val, rows, tokenizer)),
        cropped=round(shards[Split.TRAIN].cropped, SHARE_DIGITS),
        continued=round(shards[Split.TRAIN].continued, SHARE_DIGITS),
        hidden=tuple(map(str, source.hidden())),
    )
    write_atomic(folder / INFO_FILE, encode(info))
    return info


def _scored_text(val: Tokens, rows: int, tokenizer: Tokenizer) -> bytes:
    scored = spread(len(val), rows)
    chosen = scored[spread(rows, min(rows, max(1, XZ_TOKENS // val.shape[1])))]
    return b"".join(tokenizer.decode(val[row, 1:].tolist()) for row in chosen)


def xz_bits_per_byte(text: bytes) -> float:
    """What `xz -9e` makes of a text, in bits per byte of it."""
    least, most = XZ_DICTIONARY
    # else it takes 700 MB, for a dictionary that a smaller text doesn't fill
    size = min(max(least, len(text)), most)
    how = {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": size}
    return 8 * len(lzma.compress(text, filters=[how])) / len(text)


def _learn(source: Corpus, size: int, options: Options, advance: Advance) -> Tokenizer:
    if options.bytes_only:
        return bpe.bytes_only()
    documents = _told(source.documents(Split.TRAIN), advance)
    return bpe.train(bpe.sample(documents, size), options.vocab_size)


def _told(documents: Iterator[str], advance: Advance) -> Iterator[str]:
    for document in documents:
        yield document
        advance(len(document.encode()))


def _eval_rows(shards: Mapping[Split, Shard], options: Options) -> int:
    """Rows scored per shard: as many as val and audit both have, up to a limit."""
    context = options.context
    for split, shard in shards.items():
        least = LEAST_ROWS * (context + 1)
        if shard.tokens < least:
            raise CorpusError(
                f"{split} has {shard.tokens:,} tokens; at least {least:,} are needed: "
                "give more text, in more documents, or a smaller context"
            )
    return min(options.eval_rows, shards[Split.VAL].rows, shards[Split.AUDIT].rows)


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:DIGEST_LENGTH]
