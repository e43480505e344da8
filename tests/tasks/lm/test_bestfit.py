import random
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest

from autoresearch_kit.tasks.lm.bestfit import Packer, Tokens

BOS = 0


def document(name: int, size: int) -> Tokens:
    """Tokens that say which of 60 they come from."""
    return np.arange(size, dtype=np.uint16) + 1_000 * (name % 61)


def packed(sizes: list[int], length: int) -> tuple[list[list[int]], Packer]:
    """Rows of the documents 1, 2, ..., of so many tokens each."""
    packer = Packer(BOS, length)
    documents = (document(name, size) for name, size in enumerate(sizes, 1))
    return [row.tolist() for row in packer.rows(documents)], packer


def starts(row: list[int]) -> list[int]:
    """Return the token that follows each BOS of a row."""
    return [after for token, after in zip(row, [*row[1:], -1], strict=True) if token == BOS]


def test_the_longest_that_fits_is_next() -> None:
    rows, packer = packed([2, 3, 6, 4, 1], length=10)
    assert [starts(row) for row in rows] == [[3_000, 1_000], [4_000, 2_000, -1]]
    assert (packer.text, packer.continued, packer.cropped) == (16, 0, 1)


def test_where_none_fits_the_shortest_is_cut_and_goes_on_later() -> None:
    rows, packer = packed([5, 6, 7], length=10)
    assert rows[0] == [BOS, *range(3_000, 3_007), BOS, 1_000]
    assert rows[1] == [BOS, *range(2_000, 2_006), BOS, 1_001, 1_002]
    assert (packer.continued, packer.cropped) == (4, 2)


def test_room_for_bos_alone_cuts_nothing() -> None:
    rows, packer = packed([8, 9], length=10)
    assert rows == [[BOS, *range(2_000, 2_009)]]
    rows, packer = packed([8, 8, 8], length=10)
    assert [row[:-1] for row in rows] == [[BOS, *range(n, n + 8)] for n in (1_000, 3_000)]
    assert [row[-1] for row in rows] == [BOS, BOS]
    assert packer.continued == 0


def test_a_long_document_has_rows_of_its_own() -> None:
    rows, packer = packed([25, 3], length=10)
    assert rows == [
        [BOS, *range(1_000, 1_009)],
        [BOS, *range(1_009, 1_018)],
        [BOS, *range(1_018, 1_025), BOS, 2_000],
    ]
    assert (packer.continued, packer.cropped) == (18, 2)


@pytest.mark.parametrize("length", [2, 7, 64])
def test_every_row_is_full_and_no_token_is_lost_but_the_last(length: int) -> None:
    draw = random.Random(length)
    sizes = [draw.randint(1, 3 * length) for _ in range(60)]
    rows, packer = packed(sizes, length)
    assert all(len(row) == length and row[0] == BOS for row in rows)
    tokens = [token for row in rows for token in row if token != BOS]
    assert len(tokens) == len(set(tokens)) == packer.text - packer.cropped
    assert packed(sizes, length)[0] == rows
    assert packer.text == sum(sizes)
    assert packer.cropped < length


def test_documents_that_fit_stay_whole_where_there_is_choice() -> None:
    draw = random.Random(0)
    _, packer = packed([draw.randint(5, 50) for _ in range(2_000)], length=65)
    assert packer.continued / packer.text < 0.01


def test_rows_come_out_before_all_documents_are_in() -> None:
    given: list[Tokens] = []

    def endless() -> Iterator[Tokens]:
        while True:
            given.append(document(1, 9))
            yield given[-1]

    packer = Packer(BOS, 25, pool_tokens=1_000)
    for before, _ in enumerate(islice(packer.rows(endless()), 500)):
        assert 10 * len(given) <= 1_000 + 10 + 25 * before
