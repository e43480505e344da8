"""Byte-pair encoding: trained with rustbpe, used through tiktoken, stored as plain files."""

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rustbpe
import tiktoken

from autoresearch_kit.errors import CorpusError
from autoresearch_kit.tasks.lm.splits import DIGEST_LENGTH

BOS = "<|bos|>"  # the only special token: it begins every document, and is never scored

PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]++[\r\n]*"
    r"|\s*[\r\n]|\s+(?!\S)|\s+"
)
"""Splits text into pieces that no token crosses: GPT-4's pattern with numbers cut after two digits
(github.com/karpathy/nanochat, nanochat/tokenizer.py)."""

TRAINING_BYTES = 100_000_000
"""The most text that BPE is trained on: the merges of more would hardly differ."""
TRAINING_DOCUMENTS = 1_024  # the documents that the trainer holds at a time

VOCAB_FILE, SETTINGS_FILE = "vocab.tiktoken", "tokenizer.json"


@dataclass(frozen=True)
class Tokenizer:
    """Text to tokens and back. The BOS token is the last of the vocabulary."""

    ranks: dict[bytes, int]

    @cached_property
    def encoding(self) -> tiktoken.Encoding:
        """Return tiktoken's form of it."""
        special = {BOS: self.bos}
        return tiktoken.Encoding(
            "autoresearch", pat_str=PATTERN, mergeable_ranks=self.ranks, special_tokens=special
        )

    @property
    def vocab_size(self) -> int:
        """Return the number of tokens, BOS included."""
        return len(self.ranks) + 1

    @property
    def bos(self) -> int:
        """Return the token that begins a document."""
        return len(self.ranks)

    def encode(self, text: str) -> npt.NDArray[np.uint16]:
        """Return the tokens of a text, in which `<|bos|>` is ordinary text; threads may call it."""
        return self.encoding.encode_to_numpy(text, disallowed_special=()).astype(np.uint16)

    def decode(self, tokens: Iterable[int]) -> bytes:
        """Return the bytes of the tokens without BOS; they may end within a character."""
        return self.encoding.decode_bytes([token for token in tokens if token != self.bos])

    def token_bytes(self) -> npt.NDArray[np.uint16]:
        """Return the number of bytes that each token stands for, `[V]`: 0 for BOS."""
        lengths = np.zeros(self.vocab_size, dtype=np.uint16)
        for token, rank in self.ranks.items():
            lengths[rank] = len(token)
        return lengths

    def save(self, folder: Path) -> None:
        """Write `vocab.tiktoken` (a base64 token and its rank a line) and `tokenizer.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in self._files().items():
            (folder / name).write_bytes(data)

    def digest(self) -> str:
        """Return a short hex digest of the files that `save` writes."""
        data = b"\0".join(self._files().values())
        return hashlib.sha256(data).hexdigest()[:DIGEST_LENGTH]

    def _files(self) -> dict[str, bytes]:
        ordered = sorted(self.ranks.items(), key=lambda item: item[1])
        lines = [base64.b64encode(token) + b" %d\n" % rank for token, rank in ordered]
        settings = {"pattern": PATTERN, "special": {BOS: self.bos}}
        return {
            VOCAB_FILE: b"".join(lines),
            SETTINGS_FILE: (json.dumps(settings, indent=1) + "\n").encode(),
        }


def train(documents: Iterable[str], vocab_size: int) -> Tokenizer:
    """Learn merges from the documents: fewer than `vocab_size` tokens if they have no more.

    `Sizes` says which vocabularies there can be.
    """
    trainer = rustbpe.Tokenizer()
    trainer.train_from_iterator(
        documents, vocab_size - 1, buffer_size=TRAINING_DOCUMENTS, pattern=PATTERN
    )
    return Tokenizer({bytes(token): rank for token, rank in trainer.get_mergeable_ranks()})


def bytes_only() -> Tokenizer:
    """Return a tokenizer without merges: every byte is a token."""
    return Tokenizer({bytes([value]): value for value in range(256)})


def load(folder: Path) -> Tokenizer:
    """Load what `save` wrote into a folder; CorpusError if a file is missing or damaged."""
    try:
        lines = (folder / VOCAB_FILE).read_bytes().splitlines()
        pairs = (line.split() for line in lines)
        tokenizer = Tokenizer({base64.b64decode(token): int(rank) for token, rank in pairs})
        same = (folder / SETTINGS_FILE).read_bytes() == tokenizer._files()[SETTINGS_FILE]
    except (OSError, ValueError) as error:
        raise CorpusError(f"can't read the tokenizer in {folder}: {error}") from error
    if not same:
        raise CorpusError(
            f"the tokenizer in {folder} is of another version of the kit: prepare it again"
        )
    return tokenizer


def sample(documents: Iterable[str], size: int, limit: int = TRAINING_BYTES) -> Iterator[str]:
    """Yield documents of about `limit` bytes from all over a corpus of `size` bytes, or all of it.

    A document's first `limit` characters are taken.
    """
    share = min(1.0, limit / max(1, size))
    seen = taken = 0
    for document in documents:
        document_bytes = len(document.encode())
        if taken <= share * seen:
            yield document[:limit]
            taken += document_bytes
        seen += document_bytes
