from itertools import islice

import numpy as np
import pytest
import torch

from autoresearch_kit.errors import InputError
from autoresearch_kit.lm.batches import batches

TOKENS = np.arange(1_003, dtype=np.uint16)


def firsts(seed: int, batch_size: int, count: int) -> list[int]:
    """First tokens of the first `count` batches' rows."""
    drawn = islice(batches(TOKENS, 10, batch_size, seed), count)
    return [int(row[0]) for inputs, _ in drawn for row in inputs]


def test_targets_are_the_inputs_one_token_on() -> None:
    inputs, targets = next(batches(TOKENS, 10, 4, seed=0))
    assert inputs.shape == targets.shape == (4, 10)
    assert inputs.dtype == targets.dtype == torch.int64
    assert targets.equal(inputs + 1)


def test_an_epoch_has_every_row_once() -> None:
    epoch = firsts(seed=3, batch_size=1, count=99)
    assert len({first % 10 for first in epoch}) == 1
    assert np.diff(sorted(epoch)).tolist() == [10] * 98


def test_next_epoch_differs_in_phase_and_order() -> None:
    drawn = firsts(seed=3, batch_size=1, count=300)
    assert len({first % 10 for first in drawn}) > 1
    assert drawn[:99] != sorted(drawn[:99])


def test_seed_decides_the_order_and_batch_size_does_not() -> None:
    assert firsts(5, 2, 60) == firsts(5, 2, 60) == firsts(5, 40, 3)
    assert firsts(5, 2, 60) != firsts(6, 2, 60)


def test_a_batch_may_be_larger_than_an_epoch() -> None:
    inputs, _ = next(batches(TOKENS[:25], 10, 50, seed=0))
    assert inputs.shape == (50, 10)


def test_the_shortest_shard_has_one_row() -> None:
    inputs, targets = next(batches(TOKENS[:11], 10, 2, seed=0))
    assert inputs.tolist() == [list(range(10))] * 2
    assert targets.tolist() == [list(range(1, 11))] * 2


@pytest.mark.parametrize(("context", "batch_size"), [(1_003, 1), (10, 0)])
def test_no_row_is_an_error(context: int, batch_size: int) -> None:
    with pytest.raises(InputError, match=f"batches of {batch_size} rows of {context} tokens"):
        next(batches(TOKENS, context, batch_size, seed=0))
