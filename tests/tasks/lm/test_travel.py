"""A data set on another machine: the same shards, and nothing scored in sight."""

from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.errors import CorpusError
from autoresearch_kit.files.atomic import copy_atomic, write_atomic
from autoresearch_kit.records.codec import encode
from autoresearch_kit.tasks.lm import travel
from autoresearch_kit.tasks.lm.corpora import hidden_here
from autoresearch_kit.tasks.lm.dataset import complete, open_dataset
from autoresearch_kit.tasks.lm.prepare import prepare
from autoresearch_kit.tasks.lm.stdlib import StdlibCorpus


@pytest.fixture
def made(home: Path, text_file: Path) -> Path:
    """A data set, by the name `stdlib`: as another Python's would be, it is not this one's."""
    folder = home / prepare(str(text_file)).name
    info = replace(open_dataset(folder).info, name="stdlib", hidden=("/usr/nowhere/cgi.py",))
    write_atomic(folder / "dataset.json", encode(info))
    return folder.rename(home / "made")


@pytest.fixture
def packed(made: Path, tmp_path: Path) -> Path:
    travel.pack(made, tmp_path / "disk")
    return tmp_path / "disk"


def test_it_arrives_whole_and_is_not_prepared_again(made: Path, packed: Path, home: Path) -> None:
    placed = travel.unpack(packed, home / "stdlib")
    assert placed == complete(home / "stdlib") == prepare("stdlib")
    assert travel.same(placed, open_dataset(made).info)
    here = hidden_here(placed, "stdlib")
    assert set(StdlibCorpus().hidden()) <= set(here)
    assert all(path.exists() for path in here)


def test_packing_goes_on_where_it_was_broken_off(made: Path, packed: Path) -> None:
    (packed / "dataset.json").unlink()
    (packed / "val" / "tokens.bin").write_bytes(b"half")
    with pytest.raises(CorpusError, match="still being copied"):
        travel.unpack(packed, made.with_name("stdlib"))
    travel.pack(made, packed)
    assert complete(packed) == complete(made)


def test_the_same_data_is_not_placed_again(made: Path, packed: Path) -> None:
    assert not travel.unpack(packed, made).restored


def test_a_file_stays_as_it_was_until_the_new_one_has_arrived(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"good")
    with pytest.raises(FileNotFoundError):
        copy_atomic(tmp_path / "gone", path)
    assert path.read_bytes() == b"good"
