import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autoresearch_kit.errors import CorpusError
from autoresearch_kit.records.codec import encode
from autoresearch_kit.tasks.lm.dataset import Dataset, dataset_folder, find_prepared, open_dataset
from autoresearch_kit.tasks.lm.prepare import prepare
from autoresearch_kit.tasks.lm.splits import Sizes, Split

SMALL = Sizes(vocab_size=300, context=32)


@pytest.fixture
def dataset(home: Path, text_file: Path) -> Dataset:
    return open_dataset(home / prepare(str(text_file), SMALL).name)


def test_shards_hold_the_text_in_rows_from_bos(dataset: Dataset, text_file: Path) -> None:
    tokenizer, info = dataset.tokenizer, dataset.info
    shards = [dataset.shard(split) for split in Split]
    assert all(isinstance(shard, np.memmap) and not shard.flags.writeable for shard in shards)
    assert all(shard.shape[1] == info.context + 1 for shard in shards)
    assert all((shard[:, 0] == tokenizer.bos).all() for shard in shards)
    assert all(len(shard) >= info.eval_rows for shard in shards)
    pieces = [tokenizer.decode(shard.flatten().tolist()) for shard in shards]
    assert [len(p) for p in pieces] == [info.train_bytes, info.val_bytes, info.audit_bytes]
    missing = Counter(text_file.read_bytes()) - Counter(b"".join(pieces))
    longest = int(dataset.token_bytes.max())
    assert missing.total() < len(shards) * info.context * longest
    assert 0 <= info.cropped < 0.001
    assert 0.5 < info.continued < 1  # pieces of 4,000 characters in rows of 33 tokens


def test_the_same_text_has_the_same_digests_in_every_version(dataset: Dataset) -> None:
    """Scores are compared within a fingerprint, which holds these."""
    info = dataset.info
    digests = (info.corpus, info.tokenizer, info.packing)
    assert digests == ("f9c7b5a894a83244", "c5f8c240c133ae46", "fd010f3c3ee98d53")
    assert info.val_tokens == 9_867


def test_a_missing_or_shorter_shard_is_named(dataset: Dataset) -> None:
    train, val = (dataset.folder / name / "tokens.bin" for name in ("train", "val"))
    val.unlink()
    with pytest.raises(CorpusError, match=r"can't read .*val/tokens.bin"):
        _ = dataset.shard(Split.VAL)
    assert open_dataset(dataset.folder).train.size == dataset.info.train_tokens
    train.write_bytes(train.read_bytes()[:-2])
    with pytest.raises(CorpusError, match=r"train/tokens.bin has .* tokens, not .*: prepare again"):
        _ = dataset.train


def test_packing_of_another_version_is_refused(dataset: Dataset, text_file: Path) -> None:
    tokens = dataset.train.flatten()[:-1]
    tokens.tofile(dataset.folder / "train" / "tokens.bin")
    before = replace(dataset.info, train_tokens=len(tokens), packing="1")
    (dataset.folder / "dataset.json").write_bytes(encode(before))
    with pytest.raises(CorpusError, match=r"another version of the kit.*`autoresearch prepare`"):
        _ = open_dataset(dataset.folder).train
    with pytest.raises(CorpusError, match="prepared with other packing; --again makes it anew"):
        prepare(str(text_file), SMALL)
    with pytest.raises(CorpusError, match="another version of the kit"):
        prepare(dataset.info.name)


def test_missing_and_damaged_data_sets_are_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=f"no data set in {tmp_path}: `autoresearch prepare"):
        open_dataset(tmp_path)
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(CorpusError, match=r"can't read .*dataset.json"):
        open_dataset(tmp_path)


def test_a_path_finds_its_data_set(home: Path, dataset: Dataset, text_file: Path) -> None:
    assert dataset_folder("stdlib-bytes") == home / "stdlib-bytes"
    assert dataset_folder(str(text_file), sizes=SMALL) == find_prepared(str(text_file))
    assert find_prepared(str(text_file)) == dataset.folder
    other = prepare(str(text_file), Sizes(vocab_size=400))
    with pytest.raises(CorpusError, match=f"by its name: {dataset.info.name}, {other.name}"):
        find_prepared(str(text_file))


def test_opening_loads_no_torch() -> None:
    code = "import sys, autoresearch_kit.tasks.lm.dataset; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
