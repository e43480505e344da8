import math

import numpy as np
import pytest
import torch

from autoresearch_kit.tasks.lm import task
from autoresearch_kit.tasks.lm.bits_per_byte import nats_per_token, rows

V = 7
TOKEN_BYTES = torch.tensor([1, 1, 2, 3, 1, 4, 0], dtype=torch.uint16)
BOS = 6


def uniform(inputs: torch.Tensor) -> torch.Tensor:
    return torch.zeros(*inputs.shape, V, dtype=torch.bfloat16)


@pytest.fixture
def shard() -> tuple[torch.Tensor, torch.Tensor]:
    tokens = np.random.default_rng(0).integers(0, V, (60, 17)).astype(np.uint16)
    return rows(tokens, 60)


SHARD = np.arange(99, dtype=np.uint16).reshape(11, 9)


def test_all_rows_of_a_shard_are_taken_in_order() -> None:
    inputs, targets = rows(SHARD, 11)
    assert inputs.tolist() == SHARD[:, :-1].tolist()
    assert targets.tolist() == SHARD[:, 1:].tolist()


def test_fewer_rows_are_spread_over_the_shard() -> None:
    inputs, _ = rows(SHARD, 3)
    assert inputs[:, 0].tolist() == [0, 27, 63]


def test_targets_are_one_on() -> None:
    inputs, targets = rows(SHARD, 5)
    assert torch.equal(targets, inputs + 1)
    assert inputs.dtype == targets.dtype == torch.int64


def test_uniform_predictor_has_the_closed_form(shard: tuple[torch.Tensor, torch.Tensor]) -> None:
    scored = task.score(uniform, *shard, TOKEN_BYTES, batch_size=7)
    targets = shard[1][shard[1] != BOS]
    size = sum(int(TOKEN_BYTES[target]) for target in targets)
    assert (scored.bytes, scored.tokens) == (size, len(targets))
    assert scored.value == pytest.approx(len(targets) * math.log2(V) / size, rel=1e-6)


def test_batch_size_does_not_matter(shard: tuple[torch.Tensor, torch.Tensor]) -> None:
    table = torch.randn(V, V, generator=torch.Generator().manual_seed(0))
    one = task.score(lambda x: table[x], *shard, TOKEN_BYTES, batch_size=1)
    assert task.score(lambda x: table[x], *shard, TOKEN_BYTES, batch_size=60) == one


def test_loss_at_bos_is_not_scored(shard: tuple[torch.Tensor, torch.Tensor]) -> None:
    loss = torch.ones(shard[1].shape)
    before = task.sums(loss, shard[1], TOKEN_BYTES)
    loss[shard[1] == BOS] = 1e6
    assert task.sums(loss, shard[1], TOKEN_BYTES) == before


def test_nats_are_float32_cross_entropy() -> None:
    logits = torch.randn(3, 5, V, generator=torch.Generator().manual_seed(0)).bfloat16()
    targets = torch.randint(0, V, (3, 5), generator=torch.Generator().manual_seed(1))
    expected = -logits.double().log_softmax(-1).gather(-1, targets[..., None])[..., 0]
    nats = nats_per_token(logits, targets)
    assert nats.dtype == torch.float32
    torch.testing.assert_close(nats.double(), expected, rtol=1e-6, atol=1e-6)
