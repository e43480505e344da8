from pathlib import Path

import nbformat
import pytest

from autoresearch_kit.errors import KitError
from autoresearch_kit.execution.runner import compile_cache
from autoresearch_kit.records import CacheUse
from tests.execution import litter
from tests.execution.notebooks import cell, notebook

OURS, OTHER = "ours", "other"
PLACE = "inductor/ab"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return make_work(tmp_path, "work")


@pytest.fixture
def cache(tmp_path: Path, work: Path) -> Path:
    """A cache that one run has compiled a file into."""
    compiled(work, "a.py")
    compile_cache.take_back(tmp_path / "cache", OURS, work, scored=True)
    return tmp_path / "cache"


def make_work(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    return folder


def compiled(work: Path, name: str, data: bytes | str = "code", place: str = PLACE) -> Path:
    """A file in the run's copy of the cache."""
    path = work / compile_cache.FOLDER / place / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.name: path.read_text() for path in files if path.name != compile_cache.FIRST_FILE}


def lent(cache: Path, code: str, work: Path) -> dict[str, str]:
    compile_cache.lend(cache, code, work)
    return contents(work)


@pytest.mark.parametrize("code", [OURS, OTHER])
def test_all_code_gets_what_the_first_has_compiled(code: str, cache: Path, tmp_path: Path) -> None:
    assert lent(cache, code, make_work(tmp_path, "next")) == {"a.py": "code"}


def test_an_edit_reaches_no_run_of_other_code(cache: Path, tmp_path: Path) -> None:
    poisoning = make_work(tmp_path, "poisoning")
    compile_cache.lend(cache, OTHER, poisoning)
    compiled(poisoning, "a.py", "poisoned")
    compiled(poisoning, "b.py", "poisoned")
    compile_cache.take_back(cache, OTHER, poisoning, scored=True)
    for code in (OURS, "third"):
        assert lent(cache, code, make_work(tmp_path, code)) == {"a.py": "code"}


def test_a_run_gets_a_copy_of_its_own(cache: Path, tmp_path: Path) -> None:
    compile_cache.lend(cache, OURS, make_work(tmp_path, "next"))
    compiled(tmp_path / "next", "a.py", "changed")
    assert contents(cache) == {"a.py": "code"}


def test_kept_files_are_never_replaced(cache: Path, work: Path) -> None:
    compiled(work, "a.py", "changed")
    compile_cache.take_back(cache, OURS, work, scored=True)
    assert contents(cache) == {"a.py": "code"}


def test_links_are_left_where_they_are(tmp_path: Path, work: Path) -> None:
    path = compiled(work, "a.py")
    path.with_name("b.py").symlink_to("/etc/passwd")
    path.with_name("folder").symlink_to("/etc")
    compile_cache.take_back(tmp_path / "cache", OURS, work, scored=True)
    assert contents(tmp_path / "cache") == {"a.py": "code"}


@pytest.mark.parametrize(
    ("name", "data", "place"),
    [
        ("weights.pt", "x", PLACE),
        ("weights.so", "not ELF", PLACE),
        ("weights.cpp", b"\x00\xff" * 10, PLACE),
        ("large.py", "x" * (compile_cache.FILE_BYTES + 1), PLACE),
        ("weights", "x", PLACE),
        ("a.py", "x", "elsewhere"),
    ],
    ids=["suffix", "no library", "no text", "large", "no suffix", "place"],
)
def test_files_of_no_compiler_are_not_kept(
    name: str, data: bytes | str, place: str, tmp_path: Path, work: Path
) -> None:
    compiled(work, name, data, place)
    compile_cache.take_back(tmp_path / "cache", OURS, work, scored=True)
    assert contents(tmp_path / "cache") == {}


@pytest.mark.parametrize(
    ("name", "data", "place"),
    [
        ("kernel.so", compile_cache.ELF + b"\x02\x01", PLACE),
        ("a.cpp", "int main() {}", PLACE),
        ("kernel.ttir", "module {}", "triton/ABC"),
        ("l5caj", "pickled", "inductor/fxgraph/xl/fxlz3"),
        ("csbbz", "pickled", "inductor/aotautograd/a7qan"),
    ],
    ids=["library", "source", "triton", "graph", "its gradient"],
)
def test_files_of_compilers_are_kept(
    name: str, data: bytes | str, place: str, tmp_path: Path, work: Path
) -> None:
    compiled(work, name, data, place)
    compile_cache.take_back(tmp_path / "cache", OURS, work, scored=True)
    assert (tmp_path / "cache" / OURS / place / name).exists()


def test_nothing_is_kept_of_a_large_compilation(
    tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compile_cache, "RUN_BYTES", 10)
    for name in ("a.py", "b.py", "c.py"):
        compiled(work, name)
    compile_cache.take_back(tmp_path / "cache", OURS, work, scored=True)
    assert contents(tmp_path / "cache") == {}


def test_a_cache_that_grew_too_large_starts_again(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compile_cache, "MAX_BYTES", 3)
    assert lent(cache, OURS, make_work(tmp_path, "next")) == {}
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


def test_the_use_of_the_cache_is_counted(tmp_path: Path, work: Path) -> None:
    cache, again = tmp_path / "cache", make_work(tmp_path, "again")
    compiled(work, "a.py")
    assert compile_cache.take_back(cache, OURS, work, scored=True) == CacheUse(0, 1, 1)
    compile_cache.lend(cache, OURS, again)
    compiled(again, "b.py")
    compiled(again, "weights.pt")
    assert compile_cache.take_back(cache, OURS, again, scored=True) == CacheUse(1, 2, 1)


def test_nothing_is_kept_without_a_score(tmp_path: Path, work: Path) -> None:
    compiled(work, "a.py")
    use = compile_cache.take_back(tmp_path / "cache", OURS, work, scored=False)
    assert (use, contents(tmp_path)) == (CacheUse(0, 1, 0), {"a.py": "code"})


def test_a_linked_cache_is_not_taken_back(tmp_path: Path, work: Path) -> None:
    cache, linked = tmp_path / "cache", make_work(tmp_path, "linked")
    compiled(work, "a.py")
    compile_cache.take_back(cache, OTHER, work, scored=True)
    (linked / compile_cache.FOLDER).symlink_to(cache / OTHER)
    with pytest.raises(KitError, match="cache is no folder that can be read"):
        compile_cache.take_back(cache, OURS, linked, scored=True)
    assert not (cache / OURS).exists()


@pytest.mark.parametrize("level", ["inductor", "inductor/ab", "inductor/ab/b.py"])
def test_links_within_a_cache_are_not_kept(level: str, tmp_path: Path, work: Path) -> None:
    compiled(tmp_path, "b.py")
    place = work / compile_cache.FOLDER / level
    place.parent.mkdir(parents=True)
    place.symlink_to(tmp_path / compile_cache.FOLDER / level)
    use = compile_cache.take_back(tmp_path / "kept", OURS, work, scored=True)
    assert use == CacheUse(0, 0, 0)


def test_a_hard_link_is_not_kept(tmp_path: Path, work: Path) -> None:
    path = compiled(work, "a.py")
    path.with_name("b.py").hardlink_to(path)
    assert compile_cache.take_back(tmp_path / "kept", OURS, work, scored=True) == CacheUse()


def test_strange_things_beside_what_is_compiled_are_left(tmp_path: Path, work: Path) -> None:
    litter.strange(compiled(work, "a.py").parent / "strange")
    (work / compile_cache.FOLDER / PLACE / "strange" / "*-folder").chmod(0o700)
    compile_cache.take_back(tmp_path / "kept", OURS, work, scored=True)
    assert contents(tmp_path / "kept") == {"a.py": "code"}


def test_a_too_deep_cache_is_an_error(tmp_path: Path, work: Path) -> None:
    deep = litter.deep_below(work / compile_cache.FOLDER)
    with deep, pytest.raises(KitError, match="more than 64 deep"):
        compile_cache.take_back(tmp_path / "kept", OURS, work, scored=True)
