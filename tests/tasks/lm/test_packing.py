import random
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from autoresearch_kit.tasks.lm import tokenizer as bpe
from autoresearch_kit.tasks.lm.packing import (
    BATCH_BYTES,
    TOKEN,
    Packer,
    Shard,
    Tokens,
    pack,
    spread,
)

BOS = 0
TOKENIZER = bpe.bytes_only()


def document(name: int, size: int) -> Tokens:
    """Return tokens that say which of 60 they come from."""
    return np.arange(size, dtype=np.uint16) + 1_000 * (name % 61)


def packed(sizes: list[int], length: int = 10) -> tuple[list[list[int]], Packer]:
    """Return rows of the documents 1, 2, ..., of so many tokens each."""
    packer = Packer(BOS, length)
    documents = (document(name, size) for name, size in enumerate(sizes, 1))
    return [row.tolist() for row in packer.rows(documents)], packer


def test_the_longest_that_fits_is_next() -> None:
    rows, packer = packed([2, 3, 6, 4, 1])
    assert rows == [
        [BOS, *range(3_000, 3_006), BOS, 1_000, 1_001],
        [BOS, *range(4_000, 4_004), BOS, *range(2_000, 2_003), BOS],
    ]
    assert (packer.text, packer.continued, packer.cropped) == (16, 0, 1)


def test_where_no_document_fits_the_shortest_is_cut() -> None:
    rows, packer = packed([5, 6, 7])
    assert rows[0] == [BOS, *range(3_000, 3_007), BOS, 1_000]
    assert rows[1] == [BOS, *range(2_000, 2_006), BOS, 1_001, 1_002]
    assert (packer.continued, packer.cropped) == (4, 2)


def test_room_for_bos_alone_cuts_nothing() -> None:
    rows, packer = packed([8, 8, 8])
    assert rows == [[BOS, *range(n, n + 8), BOS] for n in (1_000, 3_000)]
    assert packer.continued == 0


def test_a_long_document_has_rows_of_its_own() -> None:
    rows, packer = packed([25, 3])
    assert rows == [
        [BOS, *range(1_000, 1_009)],
        [BOS, *range(1_009, 1_018)],
        [BOS, *range(1_018, 1_025), BOS, 2_000],
    ]
    assert (packer.continued, packer.cropped) == (18, 2)


@pytest.mark.parametrize("length", [2, 7, 64])
def test_all_rows_are_full_and_only_last_tokens_lost(length: int) -> None:
    draw = random.Random(length)
    sizes = [draw.randint(1, 3 * length) for _ in range(60)]
    rows, packer = packed(sizes, length)
    assert all(len(row) == length and row[0] == BOS for row in rows)
    tokens = [token for row in rows for token in row if token != BOS]
    assert len(tokens) == len(set(tokens)) == packer.text - packer.cropped
    assert packer.text == sum(sizes)
    assert packer.cropped < length


def test_rows_come_out_before_all_documents_are_in() -> None:
    given: list[Tokens] = []

    def endless() -> Iterator[Tokens]:
        while True:
            given.append(document(1, 9))
            yield given[-1]

    packer = Packer(BOS, 25, pool_tokens=1_000)
    for before, _ in enumerate(islice(packer.rows(endless()), 500)):
        assert 10 * len(given) <= 1_000 + 10 + 25 * before


def test_rows_are_on_disk_end_to_end(tmp_path: Path) -> None:
    path, told = tmp_path / "new" / "tokens.bin", list[int]()
    shard = pack(["abc", "defghijklmn", "o" * 40], TOKENIZER, 15, path, told.append)
    rows = np.fromfile(path, dtype=TOKEN).reshape(shard.rows, 16)
    bos = TOKENIZER.bos
    whole = [bos, *b"o" * 15]
    assert rows.tolist() == [whole, whole, [bos, *b"defghijklmn", bos, *b"abc"]]
    assert shard == Shard(3, tokens=48, bytes=44, continued=25 / 54, cropped=10 / 54)
    assert sum(told) == 54
    assert [file.name for file in path.parent.iterdir()] == ["tokens.bin"]
    assert pack([], TOKENIZER, 15, path, told.append) == Shard(0, 0, 0, 0.0, 0.0)


def test_what_threads_encode_stays_in_order(tmp_path: Path) -> None:
    characters = [chr(ord("a") + number) for number in range(26)]
    documents = [character * (BATCH_BYTES // 3) for character in characters]
    pack(documents, TOKENIZER, 99, tmp_path / "tokens.bin", print)
    rows = np.fromfile(tmp_path / "tokens.bin", dtype=TOKEN).reshape(-1, 100)
    whole = [chr(row[1]) for row in rows if (row[1:] == row[1]).all()]
    assert list(dict.fromkeys(whole)) == characters


@pytest.mark.parametrize(("rows", "count"), [(10, 10), (1_000, 7), (9, 8)])
def test_scored_rows_are_spread_over_the_shard(rows: int, count: int) -> None:
    scored = spread(rows, count)
    assert (len(scored), scored[0]) == (count, 0)
    assert scored[-1] < rows
    assert set(np.diff(scored)) <= {rows // count, rows // count + 1}


GROWTH = """
import psutil, random, sys
from pathlib import Path
from autoresearch_kit.tasks.lm import tokenizer as bpe
from autoresearch_kit.tasks.lm.packing import pack

def peak(megabytes):
    seen, draw = [], random.Random(0)
    documents = (draw.randbytes(500).hex() for _ in range(1_000 * megabytes))
    look = lambda size: seen.append(process.memory_info().rss)
    pack(documents, bpe.bytes_only(), 2_048, Path(sys.argv[1]), look)
    return max(seen) / 1e6

process = psutil.Process()
print(peak(8), peak(40))
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", GROWTH, str(tmp_path / "tokens.bin")]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    small, large = map(float, done.stdout.split())
    assert large < 300
    assert large - small < 16
