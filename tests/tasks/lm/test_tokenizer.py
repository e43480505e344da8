import random
from pathlib import Path

import pytest

from autoresearch_kit.errors import CorpusError
from autoresearch_kit.tasks.lm import tokenizer as bpe
from autoresearch_kit.tasks.lm.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def trained(prose: str) -> Tokenizer:
    return bpe.train(prose.splitlines(keepends=True), 400)


@pytest.fixture(params=["bpe", "bytes"])
def either(request: pytest.FixtureRequest, trained: Tokenizer) -> Tokenizer:
    return trained if request.param == "bpe" else bpe.bytes_only()


def test_training_fills_the_vocabulary_the_same_way_twice(trained: Tokenizer, prose: str) -> None:
    assert (trained.vocab_size, trained.bos) == (400, 399)
    assert bpe.train(prose.splitlines(keepends=True), 400).digest() == trained.digest()


def test_any_text_comes_back(either: Tokenizer) -> None:
    draw = random.Random(1)
    points = [p for p in range(0x110000) if not 0xD800 <= p < 0xE000]
    texts = ["".join(map(chr, draw.choices(points, k=200))) for _ in range(50)]
    texts += ["", "\0", " \n\t\r\n", "no newline", "e\u0301", "👩\u200d🔬", " " * 5_000]
    encoded = [either.encode(text) for text in texts]
    assert [either.decode(tokens.tolist()).decode() for tokens in encoded] == texts


def test_token_bytes_add_up_to_the_text(either: Tokenizer, prose: str) -> None:
    sizes = either.token_bytes()
    assert int(sizes[either.encode(prose)].sum()) == len(prose.encode())
    parts = either.encode("\U0001f600").tolist()
    assert [int(sizes[part]) for part in parts] == [len(either.decode([part])) for part in parts]
    assert len(parts) > 1
    assert sizes[either.bos] == 0
    assert (sizes[: either.bos] > 0).all()


def test_bos_written_in_a_text_is_text(either: Tokenizer) -> None:
    tokens = either.encode(bpe.BOS).tolist()
    assert either.bos not in tokens
    assert either.decode([either.bos, *tokens]) == bpe.BOS.encode()


def test_stored_tokenizer_encodes_the_same(tmp_path: Path, either: Tokenizer, prose: str) -> None:
    either.save(tmp_path)
    loaded = bpe.load(tmp_path)
    assert loaded.encode(prose).tolist() == either.encode(prose).tolist()
    assert loaded.digest() == either.digest()


def test_a_sample_comes_from_all_over_a_corpus() -> None:
    assert list(bpe.sample(["one", "δύο", "three"], size=14)) == ["one", "δύο", "three"]
    documents = [f"{number:04}" for number in range(1_000)]
    assert list(bpe.sample(documents, size=4_000, limit=400)) == documents[::10]
    assert [len(text) for text in bpe.sample(["x" * 1_000, "y" * 500], 1_500, limit=100)] == [100]


def test_damaged_file_is_named(tmp_path: Path) -> None:
    bpe.bytes_only().save(tmp_path)
    (tmp_path / bpe.VOCAB_FILE).write_bytes(b"not a rank\n")
    with pytest.raises(CorpusError, match=str(tmp_path)):
        bpe.load(tmp_path)
