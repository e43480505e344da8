"""Test what the second predictor gets to see, and at which positions it is tested."""

import numpy as np
import pytest

from autoresearch_kit.execution.judge import causality
from autoresearch_kit.execution.judge.scoring import ScoreFailure

ROWS, CONTEXT, BATCH = 70, 32, 8


def draw(seed: int, *, wanted: int = 256, rows: int = ROWS) -> causality.Cuts:
    return causality.draw(rows, CONTEXT, BATCH, wanted, np.random.default_rng(seed))


def test_all_positions_of_all_rows_are_tested_equally_often() -> None:
    tests = np.zeros((ROWS, CONTEXT))
    for seed in range(1_000):
        cuts = draw(seed)
        np.add.at(tests, (cuts.rows[cuts.tested], cuts.positions[cuts.tested]), 1)
    assert set(tests.sum(1)) == {4_000.0}
    mean = 4_000 / CONTEXT
    assert abs(tests.mean(0) - mean).max() < 0.05 * mean
    assert ((tests - mean) ** 2).mean() == pytest.approx(mean, rel=0.1)  # if drawn independently


def test_a_row_is_never_cut_before_its_last_cut() -> None:
    cuts = draw(0)
    last = [0] * ROWS
    for row, kept in zip(cuts.rows.tolist(), cuts.kept.tolist(), strict=True):
        assert not kept or kept >= last[row]
        last[row] = max(last[row], kept)


def test_rows_keep_their_place_in_the_batch_and_change_neighbours() -> None:
    cuts = draw(0)
    there = cuts.tested
    assert (cuts.rows % BATCH == np.arange(len(cuts.rows)) % BATCH)[there].all()
    batches = (cuts.rows // BATCH).reshape(-1, BATCH)
    assert (batches != batches[:, :1]).any(1).all()


def test_what_fills_the_last_batch_shows_nothing() -> None:
    cuts = draw(0)
    assert len(cuts.rows) % BATCH == 0
    assert int(cuts.tested.sum()) == 4 * ROWS
    assert (~cuts.tested).sum() == 4 * 2


def test_as_many_rows_are_drawn_as_are_wanted() -> None:
    cuts = draw(0, wanted=16, rows=1_000)
    assert len(set(cuts.rows.tolist())) == 16


def test_behind_a_cut_stands_training_text() -> None:
    inputs = np.arange(ROWS * CONTEXT).reshape(ROWS, CONTEXT)
    text = np.arange(40_000, 40_000 + 5 * (CONTEXT + 1), dtype=np.uint16).reshape(5, CONTEXT + 1)
    cuts = draw(0)
    refilled = causality.refill(inputs, cuts, text, np.random.default_rng(0))
    for row, kept, seen in zip(cuts.rows, cuts.kept, refilled, strict=True):
        assert np.array_equal(seen[:kept], inputs[row, :kept])
        assert any(np.array_equal(seen[kept:], other[kept:-1]) for other in text)


def test_what_is_tested_depends_on_the_seed() -> None:
    assert not np.array_equal(draw(1).kept, draw(2).kept)
    assert not np.array_equal(draw(1).rows, draw(2).rows)


@pytest.mark.parametrize("change", [0.3, -0.3])
def test_one_test_of_many_refuses_a_model_in_either_direction(change: float) -> None:
    changes = np.zeros(1_000)
    changes[7] = change
    with pytest.raises(ScoreFailure, match="in 1 of 1,000 tests"):
        causality.check(changes, BATCH)


@pytest.mark.parametrize("sign", [1, -1])
def test_many_small_changes_refuse_a_model_whatever_their_signs(sign: int) -> None:
    changes = np.full(1_000, 0.002)
    changes[::2] *= sign
    with pytest.raises(ScoreFailure, match="in 0 of 1,000 tests"):
        causality.check(changes, BATCH)


def test_a_small_gain_from_other_rows_shows_in_first_batch() -> None:
    changes = np.zeros(1_000)
    changes[:BATCH] = 0.02
    with pytest.raises(ScoreFailure, match=r"0\.02 at first"):
        causality.check(changes, BATCH)


def test_rounding_refuses_no_model() -> None:
    changes = np.zeros(1_000)
    changes[::100] = -0.06
    assert causality.check(changes, BATCH) == pytest.approx(0.0006)
