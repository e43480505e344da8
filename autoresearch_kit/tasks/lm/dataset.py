"""A prepared data set on disk, without torch."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autoresearch_kit.errors import CorpusError, InputError
from autoresearch_kit.files.paths import checked, data_home
from autoresearch_kit.records import DatasetInfo, Settings
from autoresearch_kit.records.codec import decode
from autoresearch_kit.tasks.lm.packing import TOKEN, TOKENS_FILE, Tokens
from autoresearch_kit.tasks.lm.splits import Sizes, Split
from autoresearch_kit.tasks.lm.tokenizer import Tokenizer, load

INFO_FILE = "dataset.json"
TOKEN_BYTES_FILE = "token_bytes.npy"
TOKENIZER_FOLDER = "tokenizer"
SUFFIXES = (".txt", ".jsonl", ".parquet")
"""The kinds of files that a corpus of the user's own may be made of."""

USUAL = Sizes()


@dataclass(frozen=True)
class Dataset:
    """A complete data set, whose shards are memory-mapped when asked for.

    A notebook in the sandbox has `train` only: the other shards are absent there.
    """

    folder: Path
    info: DatasetInfo

    @property
    def train(self) -> Tokens:
        """Return the rows `[N, T + 1]` to learn from."""
        return self.shard(Split.TRAIN)

    @property
    def token_bytes(self) -> Tokens:
        """Return the number of bytes that each token stands for, `[V]`: 0 for BOS."""
        path = self.folder / TOKEN_BYTES_FILE
        try:
            loaded: Tokens = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise CorpusError(f"can't read {path}: {error}") from error
        return loaded

    @property
    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer that the text was packed with."""
        return load(self.folder / TOKENIZER_FOLDER)

    def shard(self, split: Split) -> Tokens:
        """Map the rows `[N, T + 1]` of one split into memory.

        Raises:
            CorpusError: the shard is missing, not as long as when packed, or packed otherwise.
        """
        tokens, length = self.tokens(split), self.info.context + 1
        if len(tokens) % length:
            raise CorpusError(
                f"{self.folder} was packed by another version of the kit, not in rows of {length}: "
                "`autoresearch prepare` it with --again"
            )
        return tokens.reshape(-1, length)

    def tokens(self, split: Split) -> Tokens:
        """Map the tokens of one split into memory, end to end, however they were packed.

        Raises:
            CorpusError: the shard is missing, or not as long as when packed.
        """
        path = self.folder / split.value / TOKENS_FILE
        counts = {
            Split.TRAIN: self.info.train_tokens,
            Split.VAL: self.info.val_tokens,
            Split.AUDIT: self.info.audit_tokens,
        }
        try:
            tokens = np.memmap(path, dtype=TOKEN, mode="r")
        except (OSError, ValueError) as error:
            raise CorpusError(f"can't read {path}: {error}") from error
        if len(tokens) != counts[split]:
            raise CorpusError(
                f"{path} has {len(tokens):,} tokens, not {counts[split]:,}: prepare again"
            )
        return tokens


def open_dataset(folder: Path) -> Dataset:
    """Open the data set in `folder`; CorpusError if there is none, or only a part of one."""
    path = folder / INFO_FILE
    try:
        return Dataset(folder, decode(DatasetInfo, path.read_bytes()))
    except FileNotFoundError as error:
        raise CorpusError(
            f"no data set in {folder}: `autoresearch prepare NAME` makes one"
        ) from error
    except (OSError, InputError) as error:
        raise CorpusError(f"can't read {path}: {error}") from error


def complete(folder: Path) -> DatasetInfo | None:
    """Return the record of the data set in `folder`, or None where it is not whole."""
    try:
        dataset = open_dataset(folder)
        for split in Split:
            dataset.tokens(split)
        whole = dataset.tokenizer.digest() == dataset.info.tokenizer
        return dataset.info if whole and dataset.token_bytes.size else None
    except CorpusError:
        return None


def dataset_folder(name: str, home: Path | None = None, sizes: Sizes = USUAL) -> Path:
    """Return the folder of a data set, prepared or not, by its name or the path of its corpus.

    The folder for a path depends on the `sizes` too.
    """
    stem = path_name(Path(name)) + sizes.suffix(USUAL) if is_path(name) else name
    return (home or data_home()) / stem


def folder_of(settings: Settings) -> Path:
    """Return the folder of a campaign's data set, prepared or not."""
    sizes = Sizes(settings.vocab_size or USUAL.vocab_size, settings.context or USUAL.context)
    return dataset_folder(settings.dataset, sizes=sizes)


def find_prepared(name: str) -> Path:
    """Return the folder of a data set by name or path, whatever sizes a path was prepared with.

    Raises:
        CorpusError: the path was prepared with several sizes, none of them the usual ones.
    """
    folder = dataset_folder(name)
    if not is_path(name) or (folder / INFO_FILE).exists():
        return folder
    others = sorted(file.parent for file in folder.parent.glob(f"{folder.name}-*/{INFO_FILE}"))
    if len(others) > 1:
        names = ", ".join(other.name for other in others)
        raise CorpusError(f"{name} was prepared with several sizes; give one by its name: {names}")
    return others[0] if others else folder


def is_path(name: str) -> bool:
    """Return whether this is a path, not a name; a folder right here is written `./folder`."""
    return os.sep in name or name.startswith((".", "~")) or Path(name).suffix in SUFFIXES


def path_name(path: Path) -> str:
    """Return the name of a user's corpus: its stem, and a short digest of its absolute path.

    Raises:
        InputError: the path is not UTF-8, or has a line break.
    """
    path = checked(path.expanduser().resolve(), "the corpus")
    stem = re.sub(r"[^A-Za-z0-9_.]+", "-", path.stem).strip("-.") or "corpus"
    return f"{stem[:40]}-{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
