from itertools import islice

import numpy as np
import pytest
import torch

from autoresearch_kit.errors import InputError
from autoresearch_kit.tasks.lm.batches import batches

ROWS = np.arange(1_100, dtype=np.uint16).reshape(100, 11)


def firsts(seed: int, batch_size: int, count: int, context: int = 10) -> list[int]:
    """Return the first tokens of the first `count` batches' rows."""
    drawn = islice(batches(ROWS, context, batch_size, seed), count)
    return [int(row[0]) for inputs, _ in drawn for row in inputs]


@pytest.mark.parametrize("context", [10, 5, 3, 1])
def test_targets_are_the_inputs_one_token_on(context: int) -> None:
    inputs, targets = next(batches(ROWS, context, 4, seed=0))
    assert inputs.shape == targets.shape == (4, context)
    assert inputs.dtype == targets.dtype == torch.int64
    assert inputs.is_contiguous()
    assert targets.is_contiguous()
    assert targets.equal(inputs + 1)


def test_epochs_have_every_row_once_in_another_order() -> None:
    drawn = firsts(seed=3, batch_size=1, count=200)
    assert sorted(drawn[:100]) == sorted(drawn[100:]) == list(range(0, 1_100, 11))
    assert sorted(drawn[:100]) != drawn[:100] != drawn[100:]


def test_a_shorter_context_cuts_rows_end_to_end() -> None:
    epoch = firsts(seed=3, batch_size=1, count=200, context=5)
    assert sorted(epoch) == [11 * row + start for row in range(100) for start in (0, 5)]


def test_a_shorter_context_leaves_out_other_parts_each_epoch() -> None:
    epochs = [firsts(3, 300, number + 1, context=3)[-300:] for number in range(12)]
    assert {min(epoch) for epoch in epochs} == {0, 1}
    assert all(len(set(epoch)) == 300 for epoch in epochs)


def test_seed_decides_the_order_and_batch_size_does_not() -> None:
    assert firsts(5, 2, 150) == firsts(5, 2, 150) == firsts(5, 300, 1)
    assert firsts(5, 2, 60) != firsts(6, 2, 60)


@pytest.mark.parametrize(
    ("rows", "context", "batch"), [(9, 11, 1), (9, 0, 1), (9, 10, 0), (0, 1, 1)]
)
def test_no_row_is_an_error(rows: int, context: int, batch: int) -> None:
    with pytest.raises(InputError, match=f"batches of {batch} rows of {context} tokens, out of"):
        next(batches(ROWS[:rows], context, batch, seed=0))
