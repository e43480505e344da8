import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autoresearch_kit.errors import CorpusError
from autoresearch_kit.lm.build import Options
from autoresearch_kit.lm.dataset import Dataset, dataset_folder, open_dataset
from autoresearch_kit.lm.prepare import prepare
from autoresearch_kit.lm.splits import Split

SMALL = Options(vocab_size=300, context=32)


@pytest.fixture
def dataset(home: Path, text_file: Path) -> Dataset:
    return open_dataset(home / prepare(str(text_file), SMALL).name)


def test_shards_hold_the_text_with_bos_before_each_document(
    dataset: Dataset, text_file: Path
) -> None:
    tokenizer, info = dataset.tokenizer, dataset.info
    assert dataset.train[0] == tokenizer.bos
    pieces = [tokenizer.decode(dataset.shard(split).tolist()) for split in Split]
    assert [len(p) for p in pieces] == [info.train_bytes, info.val_bytes, info.audit_bytes]
    lines = sorted(b"".join(pieces).splitlines())
    assert lines == sorted(text_file.read_bytes().splitlines())


def test_token_bytes_count_the_shard(dataset: Dataset) -> None:
    assert int(dataset.token_bytes[dataset.val].sum(dtype=np.int64)) == dataset.info.val_bytes


def test_shards_are_mapped_not_loaded(dataset: Dataset) -> None:
    assert isinstance(dataset.train, np.memmap)
    assert not dataset.train.flags.writeable


def test_enough_rows_are_scored_in_val_and_audit(dataset: Dataset) -> None:
    info = dataset.info
    assert info.eval_rows * info.context < min(len(dataset.val), len(dataset.audit))


def test_a_notebook_sees_no_val(dataset: Dataset) -> None:
    (dataset.folder / "val" / "tokens.bin").unlink()
    assert len(open_dataset(dataset.folder).train) == dataset.info.train_tokens
    with pytest.raises(CorpusError, match=r"can't read .*val/tokens.bin"):
        _ = dataset.val


def test_a_shorter_shard_is_refused(dataset: Dataset) -> None:
    path = dataset.folder / "train" / "tokens.bin"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(CorpusError, match=r"train/tokens.bin has .* tokens, not .*: prepare again"):
        _ = dataset.train


def test_missing_and_damaged_data_sets_are_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=f"no data set in {tmp_path}: `autoresearch prepare"):
        open_dataset(tmp_path)
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(CorpusError, match=r"can't read .*dataset.json"):
        open_dataset(tmp_path)


def test_a_name_and_a_path_say_where_it_lies(home: Path, dataset: Dataset, text_file: Path) -> None:
    assert dataset_folder("stdlib-bytes") == home / "stdlib-bytes"
    assert dataset_folder(str(text_file)).name + SMALL.suffix() == dataset.info.name
    assert dataset_folder(str(text_file)).name.startswith("prose-")


def test_opening_loads_no_torch() -> None:
    code = "import sys, autoresearch_kit.lm.dataset; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
