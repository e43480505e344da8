import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autoresearch_kit.tasks.lm import tokenizer as bpe
from autoresearch_kit.tasks.lm.packing import BATCH_CHARACTERS, TOKEN, Shard, pack, spread

TOKENIZER = bpe.bytes_only()


def packed(documents: list[str], path: Path, context: int = 15) -> Shard:
    return pack(documents, TOKENIZER, context, path, [0].append)


def test_rows_are_on_disk_end_to_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "tokens.bin"
    shard = packed(["abc", "defghijklmn", "o" * 40], path)
    rows = np.fromfile(path, dtype=TOKEN).reshape(shard.rows, 16)
    bos = TOKENIZER.bos
    assert rows.tolist() == [
        [bos, *b"o" * 15],
        [bos, *b"o" * 15],
        [bos, *b"defghijklmn", bos, *b"abc"],
    ]
    assert (shard.tokens, shard.bytes) == (48, 44)
    assert (shard.continued, shard.cropped) == (25 / 54, 10 / 54)
    assert [file.name for file in path.parent.iterdir()] == ["tokens.bin"]
    assert packed([], path) == Shard(0, 0, 0, 0.0, 0.0)


def test_what_threads_encode_stays_in_order(tmp_path: Path) -> None:
    characters = [chr(ord("a") + number) for number in range(26)]
    documents = [character * (BATCH_CHARACTERS // 3) for character in characters]
    packed(documents, tmp_path / "tokens.bin", context=99)
    rows = np.fromfile(tmp_path / "tokens.bin", dtype=TOKEN).reshape(-1, 100)
    whole = [chr(row[1]) for row in rows if (row[1:] == row[1]).all()]
    assert list(dict.fromkeys(whole)) == characters


def test_progress_adds_up_to_the_text(tmp_path: Path) -> None:
    told: list[int] = []
    documents = ["né" * 100_000] * 5
    pack(documents, TOKENIZER, 15, tmp_path / "tokens.bin", told.append)
    assert sum(told) == 1_500_000
    assert len(told) > 1


@pytest.mark.parametrize(("rows", "count"), [(10, 10), (1_000, 7), (9, 8)])
def test_scored_rows_are_spread_over_the_shard(rows: int, count: int) -> None:
    places = spread(rows, count)
    assert len(set(places.tolist())) == count
    assert places[0] == 0
    assert places[-1] < rows
    assert set(np.diff(places)) <= {rows // count, rows // count + 1}


GROWTH = """
import psutil, random, sys
from pathlib import Path
from autoresearch_kit.tasks.lm import tokenizer as bpe
from autoresearch_kit.tasks.lm.packing import pack

def documents(megabytes):
    draw = random.Random(0)
    for _ in range(int(1_000 * megabytes)):
        yield draw.randbytes(500).hex()

def peak(megabytes):
    seen = []
    look = lambda size: seen.append(process.memory_info().rss)
    pack(documents(megabytes), bpe.bytes_only(), 2_048, Path(sys.argv[1]), look)
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
