"""Builds a data set out of a corpus: tokenizer, shards, and the record of both."""

import hashlib
import lzma
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Never

import numpy as np
from tqdm import tqdm

from autoresearch_kit.errors import CorpusError
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.records import DatasetInfo
from autoresearch_kit.records.codec import encode
from autoresearch_kit.tasks.lm import tokenizer as bpe
from autoresearch_kit.tasks.lm.dataset import INFO_FILE, TOKEN_BYTES_FILE, TOKENIZER_FOLDER
from autoresearch_kit.tasks.lm.packing import TOKEN, TOKENS_FILE, Shard, Tokens, pack, spread
from autoresearch_kit.tasks.lm.splits import (
    DIGEST_LENGTH,
    LEAST_ROWS,
    Advance,
    Corpus,
    Sizes,
    Split,
)
from autoresearch_kit.tasks.lm.tokenizer import Tokenizer

PACKING = "2: uint16 little endian, best fit in rows of T + 1 from BOS, what is cut off goes on"
"""A part of the packing's digest: raise its number with every change of the rows."""

XZ_TOKENS = 2_000_000  # the most scored tokens that xz is given: it takes a second for each 250,000
XZ_DICTIONARY = (4_096, 2**26)  # bytes: the least that xz takes, and what -9e takes

SHARE_DIGITS = 6

Progress = Callable[[str, int | None], "tqdm[Never]"]
"""Makes a progress bar for a stage, over so many bytes, or an unknown number."""


@dataclass(frozen=True)
class Census:
    """A count of a corpus: UTF-8 bytes in all, those to train on, and a digest of all its text."""

    total: int
    train: int
    digest: str


def census(corpus: Corpus, advance: Advance) -> Census:
    """Read the whole corpus once, to count and digest it.

    Raises:
        CorpusError: a file can't be read, or has no text.
    """
    digest, sizes = hashlib.sha256(), dict.fromkeys(Split, 0)
    for split in Split:
        digest.update(f"{split.value}\n".encode())
        for document in corpus.documents(split):
            data = document.encode()
            digest.update(len(data).to_bytes(8, "little") + data)
            sizes[split] += len(data)
            advance(len(data))
    return Census(sum(sizes.values()), sizes[Split.TRAIN], digest.hexdigest()[:DIGEST_LENGTH])


def packing_digest(sizes: Sizes) -> str:
    """Return a short hex digest of the way in which text becomes rows of tokens."""
    vocabulary = 256 if sizes.bytes_only else sizes.vocab_size
    parts = (PACKING.encode(), bpe.PATTERN.encode(), b"%d %d" % (vocabulary, sizes.context))
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:DIGEST_LENGTH]


def build(
    source: Corpus, counted: Census, sizes: Sizes, folder: Path, progress: Progress
) -> DatasetInfo:
    """Fill `folder` with the data set; `dataset.json`, which makes it complete, comes last.

    Raises:
        CorpusError: a split is too small to be scored.
        OSError: the disk is full.
    """
    with progress("learning the tokenizer", counted.train) as bar:
        tokenizer = _learn(source, counted.train, sizes, bar.update)
    tokenizer.save(folder / TOKENIZER_FOLDER)
    np.save(folder / TOKEN_BYTES_FILE, tokenizer.token_bytes())
    with progress("packing tokens", counted.total) as bar:
        train, val, audit = (
            _packed(source, split, tokenizer, sizes, folder, bar.update) for split in Split
        )
    rows = min(sizes.eval_rows, val.rows, audit.rows)
    written = np.memmap(_path(folder, Split.VAL), dtype=TOKEN, mode="r")
    scored = _scored_text(written.reshape(-1, sizes.context + 1), rows, tokenizer)
    info = DatasetInfo(
        name=source.name + sizes.suffix(source.sizes),
        vocab_size=tokenizer.vocab_size,
        context=sizes.context,
        eval_rows=rows,
        train_tokens=train.tokens,
        val_tokens=val.tokens,
        audit_tokens=audit.tokens,
        train_bytes=train.bytes,
        val_bytes=val.bytes,
        audit_bytes=audit.bytes,
        corpus=counted.digest,
        tokenizer=tokenizer.digest(),
        packing=packing_digest(sizes),
        xz_bpb=xz_bits_per_byte(scored),
        cropped=round(train.cropped, SHARE_DIGITS),
        continued=round(train.continued, SHARE_DIGITS),
        hidden=tuple(map(str, source.hidden())),
    )
    write_atomic(folder / INFO_FILE, encode(info))
    return info


def xz_bits_per_byte(text: bytes) -> float:
    """Return the bits per byte that `xz -9e` makes of a text."""
    least, most = XZ_DICTIONARY
    # else it takes 700 MB, for a dictionary that a smaller text doesn't fill
    size = min(max(least, len(text)), most)
    how = {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": size}
    return 8 * len(lzma.compress(text, filters=[how])) / len(text)


def _learn(source: Corpus, size: int, sizes: Sizes, advance: Advance) -> Tokenizer:
    if sizes.bytes_only:
        return bpe.bytes_only()

    def documents() -> Iterator[str]:
        for document in source.documents(Split.TRAIN):
            yield document
            advance(len(document.encode()))

    return bpe.train(bpe.sample(documents(), size), sizes.vocab_size)


def _packed(
    source: Corpus, split: Split, tokenizer: Tokenizer, sizes: Sizes, folder: Path, advance: Advance
) -> Shard:
    """Pack a split's tokens; CorpusError if it is too small to be scored."""
    path = _path(folder, split)
    shard = pack(source.documents(split), tokenizer, sizes.context, path, advance)
    least = LEAST_ROWS * (sizes.context + 1)
    if shard.tokens < least:
        raise CorpusError(
            f"{split} has {shard.tokens:,} tokens; at least {least:,} are needed: "
            "give more text, in more documents, or a smaller context"
        )
    return shard


def _path(folder: Path, split: Split) -> Path:
    return folder / split.value / TOKENS_FILE


def _scored_text(val: Tokens, rows: int, tokenizer: Tokenizer) -> bytes:
    scored = spread(len(val), rows)
    chosen = scored[spread(rows, min(rows, max(1, XZ_TOKENS // val.shape[1])))]
    return b"".join(tokenizer.decode(val[row, 1:].tolist()) for row in chosen)
