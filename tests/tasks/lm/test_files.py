import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autoresearch_kit.errors import CorpusError
from autoresearch_kit.tasks.lm.corpora import find
from autoresearch_kit.tasks.lm.splits import Split

DOCUMENTS = [f"document {number} says é" for number in range(500)]


def split_documents(path: Path) -> dict[Split, list[str]]:
    return {split: list(find(str(path)).documents(split)) for split in Split}


def write_jsonl(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n", encoding="utf-8")
    return path


def write_parquet(path: Path, columns: Mapping[str, Sequence[object]]) -> Path:
    pq.write_table(pa.table(dict(columns)), path)
    return path


@pytest.fixture(params=["jsonl", "parquet"])
def rows_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "jsonl":
        return write_jsonl(tmp_path / "rows.jsonl", [{"text": d, "id": 1} for d in 2 * DOCUMENTS])
    return write_parquet(tmp_path / "rows.parquet", {"id": range(1_000), "text": 2 * DOCUMENTS})


def test_equal_rows_are_in_the_same_split(rows_file: Path) -> None:
    splits = split_documents(rows_file)
    texts = [text for documents in splits.values() for text in set(documents)]
    assert sorted(texts) == sorted(DOCUMENTS)
    assert sum(map(len, splits.values())) == 2 * len(DOCUMENTS)
    assert all(50 < len(splits[split]) < 150 for split in (Split.VAL, Split.AUDIT))


def test_what_was_read_of_a_parquet_file_is_let_go(tmp_path: Path) -> None:
    path = tmp_path / "large.parquet"
    texts = [random.Random(number).randbytes(2_500).hex() for number in range(6_000)]
    pq.write_table(pa.table({"text": texts}), path, row_group_size=100)
    held = [pa.total_allocated_bytes() for _ in find(str(path)).documents(Split.TRAIN)]
    assert max(held) < sum(map(len, texts)) / 3


def test_one_text_file_is_cut_so_that_every_split_exists(text_file: Path, prose: str) -> None:
    splits = split_documents(text_file)
    assert sum(len(d) for ds in splits.values() for d in ds) == len(prose)
    assert all(d.endswith("\n") for ds in splits.values() for d in ds)
    assert min(len("".join(ds)) for ds in splits.values()) > len(prose) / 20


def test_text_without_line_ends_is_cut_too(tmp_path: Path) -> None:
    path = tmp_path / "one-line.txt"
    path.write_text("wörd " * 50_000, encoding="utf-8")
    splits = split_documents(path)
    assert all(splits.values())
    assert max(len(d) for ds in splits.values() for d in ds) <= 8_000


def test_a_folder_is_read_with_all_that_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a.txt").write_text("plain", encoding="utf-8")
    (tmp_path / "notes.md").write_text("not read", encoding="utf-8")
    write_jsonl(tmp_path / "inner" / "b.jsonl", [{"text": "row"}])
    write_parquet(tmp_path / "c.parquet", {"text": ["column", None]})
    texts = [d for ds in split_documents(tmp_path).values() for d in ds]
    assert sorted(texts) == ["column", "plain", "row"]
    names = [path.name for path in find(str(tmp_path)).hidden()]
    assert names == ["a.txt", "c.parquet", "b.jsonl"]


def test_a_missing_text_column_is_told(tmp_path: Path) -> None:
    parquet = write_parquet(tmp_path / "a.parquet", {"id": [1], "body": ["x"]})
    with pytest.raises(CorpusError, match=r"a\.parquet has no text .*'text'; .*: id, body"):
        split_documents(parquet)
    jsonl = write_jsonl(tmp_path / "a.jsonl", [{"id": 1, "body": "x"}])
    with pytest.raises(CorpusError, match=r"a\.jsonl line 1 has no text .*'text'; .*: id, body"):
        split_documents(jsonl)
    with pytest.raises(CorpusError, match="has no text in a column 'text'"):
        split_documents(write_parquet(tmp_path / "b.parquet", {"text": [1, 2]}))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"\xff\xfe\x00", "not UTF-8 text"),
        ("a.jsonl", b"{\n", "line 1 is not a JSON object"),
        ("a.jsonl", b"[1]\n", "line 1 is not a JSON object"),
        ("a.jsonl", b'{"text": "half a pair \\ud83d, no more"}\n', "line 1 is not .* surrogate"),
        ("a.parquet", b"PAR1", "can't read .*a.parquet"),
    ],
)
def test_damaged_file_is_named(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CorpusError, match=message):
        split_documents(tmp_path / name)


@pytest.mark.parametrize("name", ["shakespeare", "./nothing", "", "nothing.txt"])
def test_unknown_corpus_says_what_there_is(name: str) -> None:
    said = f"no corpus '{name}': give stdlib, climbmix, tinystories, or the path"
    with pytest.raises(CorpusError, match=said):
        find(name)


def test_a_path_is_never_taken_for_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "climbmix").mkdir()
    assert find("./climbmix").name.startswith("climbmix-")
    assert find("climbmix").name == "climbmix"


def test_a_folder_without_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no \.txt, \.jsonl, \.parquet file at"):
        split_documents(tmp_path)
