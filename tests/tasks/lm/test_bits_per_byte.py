import math

import numpy as np
import pytest
import torch

from autoresearch_kit.tasks.lm.bits_per_byte import nats_per_token, rows, sums

V = 7
TOKEN_BYTES = np.array([1, 1, 2, 3, 1, 4, 0])
BOS = 6
SHARD = np.arange(99, dtype=np.uint16).reshape(11, 9)


def test_rows_are_spread_over_the_shard() -> None:
    assert rows(SHARD, 3)[0][:, 0].tolist() == [0, 27, 63]
    inputs, targets = rows(SHARD, 11)
    assert inputs.tolist() == SHARD[:, :-1].tolist()
    assert targets.tolist() == SHARD[:, 1:].tolist()


def test_uniform_predictor_has_the_closed_form() -> None:
    _, targets = rows(np.random.default_rng(0).integers(0, V, (60, 17)).astype(np.uint16), 60)
    losses = nats_per_token(np.zeros((*targets.shape, V), np.float32), targets)
    scored = sums(losses, targets, TOKEN_BYTES)
    size, tokens = int(TOKEN_BYTES[targets].sum()), int((targets != BOS).sum())
    assert (scored.bytes, scored.tokens) == (size, tokens)
    assert scored.value == pytest.approx(tokens * math.log2(V) / size, rel=1e-6)


def test_loss_at_bos_is_not_scored() -> None:
    targets = np.array([[1, BOS, 2], [BOS, 3, 4]])
    losses = np.ones(targets.shape, np.float32)
    before = sums(losses, targets, TOKEN_BYTES)
    losses[targets == BOS] = 1e6
    assert sums(losses, targets, TOKEN_BYTES) == before


def test_nats_are_torch_s_cross_entropy() -> None:
    rng = np.random.default_rng(0)
    logits = 10 * rng.standard_normal((8, 64, 4096), dtype=np.float32)
    targets = rng.integers(0, 4096, (8, 64))
    chances = torch.from_numpy(logits).double().log_softmax(-1)
    expected = -chances.gather(-1, torch.from_numpy(targets)[..., None])[..., 0].numpy()
    nats = nats_per_token(logits, targets)
    assert nats.dtype == np.float32
    np.testing.assert_allclose(nats, expected, rtol=1e-6, atol=2e-6)
    assert nats.sum(dtype=np.float64) == pytest.approx(expected.sum(), rel=1e-8)
