from pathlib import Path

import pytest

from autoresearch_kit.execution import compile_cache


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def fill(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        path = folder / "inductor" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_run_gets_a_copy_of_its_own(tmp_path: Path, work: Path) -> None:
    cache = fill(tmp_path / "cache", a="kernel")
    compile_cache.lend(cache, work)
    fill(work / "cache", a="changed")
    assert contents(cache) == {"a": "kernel"}


def test_a_run_adds_to_the_cache_and_changes_nothing_in_it(tmp_path: Path, work: Path) -> None:
    cache = fill(tmp_path / "cache", a="kernel")
    compile_cache.lend(cache, work)
    fill(work / "cache", a="poisoned", b="new")
    compile_cache.take_back(cache, work)
    assert contents(cache) == {"a": "kernel", "b": "new"}


def test_links_are_left_where_they_are(tmp_path: Path, work: Path) -> None:
    fill(work / "cache", a="kernel")
    (work / "cache" / "file").symlink_to("/etc/passwd")
    (work / "cache" / "folder").symlink_to("/etc")
    compile_cache.take_back(tmp_path / "cache", work)
    assert contents(tmp_path / "cache") == {"a": "kernel"}


def test_a_cache_that_grew_too_large_starts_again(
    tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compile_cache, "MAX_BYTES", 10)
    cache = fill(tmp_path / "cache", a="more than ten bytes")
    compile_cache.lend(cache, work)
    assert not cache.exists()
    assert contents(work) == {}
