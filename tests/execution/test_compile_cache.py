from pathlib import Path

import nbformat
import pytest

from autoresearch_kit.errors import KitError
from autoresearch_kit.execution.runner import compile_cache
from autoresearch_kit.execution.runner.compile_cache import FOLDER, lend, take_back
from autoresearch_kit.records import CacheUse
from tests.execution import odd_files
from tests.execution.notebooks import cell, notebook

OURS, OTHER = "ours", "other"
FIRST = "inductor/ab"


def compiled(work: Path, name: str, data: bytes | str = "code", folder: str = FIRST) -> Path:
    """Write a file into the run's copy of the cache; return its path."""
    path = work / FOLDER / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.name: path.read_text() for path in files if path.name != compile_cache.FIRST_FILE}


def new_work(tmp_path: Path, name: str = "next") -> Path:
    (tmp_path / name).mkdir()
    return tmp_path / name


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return new_work(tmp_path, "work")


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    return tmp_path / "empty"


@pytest.fixture
def cache(tmp_path: Path, work: Path) -> Path:
    """Return a cache that one run has compiled a file into."""
    compiled(work, "a.py")
    assert take_back(tmp_path / "cache", OURS, work, scored=True) == CacheUse(0, 1, 1)
    return tmp_path / "cache"


def lent(cache: Path, code: str, work: Path) -> dict[str, str]:
    lend(cache, code, work)
    return contents(work)


@pytest.mark.parametrize("code", [OURS, OTHER])
def test_all_code_gets_what_the_first_has_compiled(code: str, cache: Path, tmp_path: Path) -> None:
    assert lent(cache, code, new_work(tmp_path)) == {"a.py": "code"}


def test_an_edit_reaches_no_run_of_other_code(cache: Path, tmp_path: Path) -> None:
    poisoning = new_work(tmp_path, "poisoning")
    lend(cache, OTHER, poisoning)
    compiled(poisoning, "a.py", "poisoned")
    compiled(poisoning, "b.py", "poisoned")
    take_back(cache, OTHER, poisoning, scored=True)
    for code in (OURS, "third"):
        assert lent(cache, code, new_work(tmp_path, code)) == {"a.py": "code"}


def test_kept_files_are_never_replaced(cache: Path, work: Path) -> None:
    compiled(work, "a.py", "changed")
    take_back(cache, OURS, work, scored=True)
    assert contents(cache) == {"a.py": "code"}


def test_the_use_of_the_cache_is_counted(cache: Path, tmp_path: Path) -> None:
    again = new_work(tmp_path)
    lend(cache, OURS, again)
    compiled(again, "b.py")
    compiled(again, "weights.pt")
    assert take_back(cache, OURS, again, scored=True) == CacheUse(1, 2, 1)


@pytest.mark.parametrize(
    ("path", "data", "kept"),
    [
        (f"{FIRST}/weights.pt", "x", False),
        (f"{FIRST}/weights.so", "not ELF", False),
        (f"{FIRST}/weights.cpp", b"\x00\xff" * 10, False),
        (f"{FIRST}/large.py", "x" * (compile_cache.FILE_BYTES + 1), False),
        (f"{FIRST}/weights", "x", False),
        ("elsewhere/a.py", "x", False),
        (f"{FIRST}/kernel.so", compile_cache.ELF + b"\x02\x01", True),
        (f"{FIRST}/a.cpp", "int main() {}", True),
        ("triton/ABC/kernel.ttir", "module {}", True),
        ("inductor/fxgraph/xl/fxlz3/l5caj", "pickled", True),
        ("inductor/aotautograd/a7qan/csbbz", "pickled", True),
    ],
    ids=lambda value: value if isinstance(value, str) and "/" in value else "",
)
def test_only_files_of_compilers_are_kept(
    path: str, data: bytes | str, kept: bool, empty: Path, work: Path
) -> None:
    folder, _, name = path.rpartition("/")
    compiled(work, name, data, folder)
    take_back(empty, OURS, work, scored=True)
    assert (empty / OURS / path).exists() is kept


@pytest.mark.parametrize(("limit", "scored"), [(10, True), (1000, False)])
def test_nothing_is_kept_of_large_or_unscored_runs(
    limit: int, scored: bool, empty: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compile_cache, "RUN_BYTES", limit)
    for name in ("a.py", "b.py", "c.py"):
        compiled(work, name)
    assert take_back(empty, OURS, work, scored=scored) == CacheUse(0, 3, 0)
    assert not empty.exists()


def test_a_cache_that_grew_too_large_starts_again(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compile_cache, "MAX_BYTES", 3)
    assert lent(cache, OURS, new_work(tmp_path)) == {}
    assert not cache.exists()


def code_of(tmp_path: Path, config: str, train: str) -> str:
    book = notebook(train)
    book.cells.insert(2, cell("config", config, "editable"))
    nbformat.write(book, tmp_path / "book.ipynb")
    return compile_cache.code_of(tmp_path / "book.ipynb")


def test_constants_are_not_code(tmp_path: Path) -> None:
    first = code_of(tmp_path, "RATE = 0.1  # rate; 0.0..1.0", "pass")
    assert code_of(tmp_path, "RATE = 0.2  # rate; 0.0..1.0", "pass") == first
    assert code_of(tmp_path, "RATE = 0.1  # rate; 0.0..1.0", "print(1)") != first


def test_code_that_does_not_parse_is_distinct(tmp_path: Path) -> None:
    assert code_of(tmp_path, "", "!ls") != code_of(tmp_path, "", "!pwd")


def test_a_linked_cache_is_not_taken_back(cache: Path, tmp_path: Path) -> None:
    linked = new_work(tmp_path)
    (linked / FOLDER).symlink_to(cache / OURS)
    with pytest.raises(KitError, match="cache is no folder that can be read"):
        take_back(cache, OTHER, linked, scored=True)
    assert not (cache / OTHER).exists()


@pytest.mark.parametrize("level", ["inductor", "inductor/ab", "inductor/ab/b.py"])
def test_links_within_a_cache_are_not_kept(
    level: str, empty: Path, tmp_path: Path, work: Path
) -> None:
    compiled(tmp_path, "b.py")
    link = work / FOLDER / level
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / FOLDER / level)
    assert take_back(empty, OURS, work, scored=True) == CacheUse()


def test_only_plain_files_of_one_name_are_kept(empty: Path, work: Path) -> None:
    path = compiled(work, "a.py")
    compiled(work, "b.py").with_name("c.py").hardlink_to(path.with_name("b.py"))
    odd_files.strange(path.parent / "strange")
    (path.parent / "strange" / "*-folder").chmod(0o700)
    take_back(empty, OURS, work, scored=True)
    assert contents(empty) == {"a.py": "code"}


def test_a_too_deep_cache_is_an_error(empty: Path, work: Path) -> None:
    deep = odd_files.deep_below(work / FOLDER)
    with deep, pytest.raises(KitError, match="more than 64 deep"):
        take_back(empty, OURS, work, scored=True)
