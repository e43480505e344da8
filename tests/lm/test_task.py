import pytest
import torch
from torch import Tensor

from autoresearch_kit.lm import task

V = 50


@pytest.fixture
def stream() -> tuple[Tensor, Tensor]:
    flat = torch.randint(0, V, (64 * 32 + 1,), generator=torch.Generator().manual_seed(0))
    return flat[:-1].view(64, 32), flat[1:].view(64, 32)


def scored(predict: task.Predict, stream: tuple[Tensor, Tensor]) -> Tensor:
    return task.losses(predict, *stream, batch_size=64)


def gap_of(predict: task.Predict, stream: tuple[Tensor, Tensor]) -> float:
    inputs, targets = stream
    loss = scored(predict, stream)
    cuts = task.draw_cuts(loss, seed=1)
    probe = task.refill(inputs, cuts, seed=1)
    return task.gap(loss, task.losses(predict, probe, targets, batch_size=64), cuts)


def looks_back(inputs: Tensor) -> Tensor:
    """Sums what came before: causal, and depends on all of it."""
    return torch.nn.functional.one_hot(inputs, V).float().cumsum(1)


def looks_ahead(inputs: Tensor) -> Tensor:
    """Copies the next input, which is the target."""
    return 5 * torch.nn.functional.one_hot(inputs.roll(-1, 1), V).float()


def test_before_the_cut_nothing_changes(stream: tuple[Tensor, Tensor]) -> None:
    cuts = task.draw_cuts(scored(looks_back, stream), seed=1)
    probe = task.refill(stream[0], cuts, seed=1)
    for row, changed, cut in zip(stream[0], probe, cuts.tolist(), strict=True):
        assert row[:cut].equal(changed[:cut])


def test_after_the_cut_little_is_left(stream: tuple[Tensor, Tensor]) -> None:
    cuts = task.draw_cuts(scored(looks_back, stream), seed=1)
    probe = task.refill(stream[0], cuts, seed=1)
    after = torch.arange(32) >= cuts[:, None]
    assert (probe == stream[0])[after].float().mean() < 0.1


def test_cuts_reach_every_place_and_depend_on_the_seed() -> None:
    loss = torch.zeros(2_000, 32)
    cuts = task.draw_cuts(loss, seed=1)
    assert set(cuts.tolist()) == set(range(1, 32))
    assert not task.draw_cuts(loss, seed=2).equal(cuts)
    assert task.draw_cuts(loss, seed=1).equal(cuts)


def test_every_second_cut_follows_a_target_that_was_predicted_well() -> None:
    loss = torch.ones(200, 32)
    loss[:, 5:12] = 0.0
    cuts = task.draw_cuts(loss, seed=1)
    assert set(cuts[1::2].tolist()) <= set(range(6, 33))
    well = (cuts[1::2] - 1 >= 5) & (cuts[1::2] - 1 < 12)
    assert well.float().mean() > 0.8
    assert len(set(cuts[::2].tolist())) > 20


def test_causal_predictor_has_no_gap(stream: tuple[Tensor, Tensor]) -> None:
    assert gap_of(looks_back, stream) == 0


def test_looking_one_token_ahead_opens_a_gap(stream: tuple[Tensor, Tensor]) -> None:
    assert gap_of(looks_ahead, stream) > 0.05
