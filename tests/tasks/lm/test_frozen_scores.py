"""Scores of fixed logits: where one of these changes, SCORING_VERSION has to be raised."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from autoresearch_kit.execution.judge.logits import HostLogits
from autoresearch_kit.execution.judge.shard import load_shard
from autoresearch_kit.records import DatasetInfo
from autoresearch_kit.tasks.lm.dataset import Dataset
from autoresearch_kit.tasks.lm.task import SCORING_VERSION

V, T, ROWS, SCORED = 11, 16, 40, 24

FROZEN = {1: {"val": 2.3196697, "audit": 1.8583956}}
"""Bits per byte by scoring version. Keep the old ones; never edit the number of a version."""


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Return tokens by a fixed formula, so that no library's random numbers matter."""
    count = ROWS * (T + 1)
    for factor, split in enumerate(("train", "val", "audit"), 3):
        (tmp_path / split).mkdir()
        tokens = np.arange(count, dtype=np.int64) ** 2 * factor % 97 % V
        tokens.astype("<u2").tofile(tmp_path / split / "tokens.bin")
    np.save(tmp_path / "token_bytes.npy", np.array([1, 2, 3, 1, 1, 4, 2, 1, 6, 1, 0], "<u2"))
    info = DatasetInfo("frozen", V, T, SCORED, count, count, count, 1, 1, 1, "", "", "", xz_bpb=8.0)
    return Dataset(tmp_path, info)


def predict(inputs: npt.NDArray[np.int64]) -> HostLogits:
    """Return logits `[b, T, V]` by a fixed formula of the token and its position."""
    places = np.arange(T)[:, None] + inputs[..., None]
    logits = 2 * np.cos(places * (1 + np.arange(V)) / 3)
    return HostLogits(logits.astype(np.float32))


@pytest.mark.parametrize("split", ["val", "audit"])
def test_fixed_logits_have_the_score_of_this_version(dataset: Dataset, split: str) -> None:
    shard = load_shard(dataset, split)
    losses = shard.losses(predict, batch=5)
    expected = FROZEN[SCORING_VERSION][split]
    assert shard.sums(losses).value == pytest.approx(expected, rel=1e-6)
