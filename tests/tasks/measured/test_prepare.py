import json
import os
from pathlib import Path

import pytest

from autoresearch_kit.errors import InputError
from autoresearch_kit.notebook.cells import Cell, KernelSpec, write_cells
from autoresearch_kit.records import TaskInfo
from autoresearch_kit.tasks.kinds import read_info
from autoresearch_kit.tasks.measured.prepare import prepare_task
from tests.tasks.measured.folders import SHORT, scaffolded, write_task


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def prepared(root: Path, home: Path) -> Path:
    return prepare_task(root, "toy", home)


def info_of(folder: Path) -> TaskInfo:
    info = read_info(folder)
    assert isinstance(info, TaskInfo)
    return info


def test_each_part_of_a_task_has_its_place_in_the_copy(tmp_path: Path, home: Path) -> None:
    write_task(
        tmp_path,
        data__a="1", hidden__b__c="2", hidden__audit__b__c="3", helpers__d="4",
        program="5", train="6",
    )  # fmt: skip
    copy = prepared(tmp_path, home)
    files = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}
    assert files == {
        "task.json", "data/a", "hidden/b/c", "audit/b/c", "measure/helpers/d", "measure/program",
        "measure/train",
    }  # fmt: skip
    assert info_of(copy).audited


def test_no_measurement_sees_what_trains_or_directs(tmp_path: Path, home: Path) -> None:
    scaffolded(tmp_path)
    copy = prepared(tmp_path, home)
    assert [path.name for path in (copy / "measure").iterdir()] == ["measure.ipynb"]


def test_the_same_folder_is_prepared_once(tmp_path: Path, home: Path) -> None:
    scaffolded(tmp_path)
    first = prepared(tmp_path, home)
    inode = first.stat().st_ino
    assert prepared(tmp_path, home) == first
    assert first.stat().st_ino == inode
    assert [path for path in home.iterdir() if not path.name.startswith(".")] == [first]


@pytest.mark.parametrize("changed", ["data/train.npz", "hidden/test.npz", "hidden/audit/test.npz"])
def test_other_data_make_another_copy(changed: str, tmp_path: Path, home: Path) -> None:
    folder = scaffolded(tmp_path)
    first = prepared(tmp_path, home)
    (folder / changed).write_bytes(b"other")
    second = prepared(tmp_path, home)
    assert info_of(second).digest != info_of(first).digest
    assert (first / "hidden" / "test.npz").stat().st_size > 1_000


def test_outputs_of_a_measuring_notebook_make_no_other_copy(tmp_path: Path, home: Path) -> None:
    folder = scaffolded(tmp_path)
    first = prepared(tmp_path, home)
    notebook = json.loads((folder / "measure.ipynb").read_text())
    notebook["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "3"}]
    notebook["cells"][1]["execution_count"] = 1
    (folder / "measure.ipynb").write_text(json.dumps(notebook))
    assert prepared(tmp_path, home) == first


def test_a_new_bound_or_budget_leaves_values_comparable(tmp_path: Path, home: Path) -> None:
    folder = scaffolded(tmp_path)
    first = info_of(prepared(tmp_path, home))
    text = (folder / "task.toml").read_text()
    text = text.replace("train_seconds = 5", "train_seconds = 9").replace("100000", "5")
    (folder / "task.toml").write_text(text)
    assert info_of(prepared(tmp_path, home)).digest == first.digest


@pytest.mark.parametrize(
    ("old", "new"),
    [('"lower"', '"higher"'), ('"rmse"', '"rms"'), ("# objectives", "checks = 'ls' #")],
)
def test_another_measurement_makes_values_incomparable(
    old: str, new: str, tmp_path: Path, home: Path
) -> None:
    folder = scaffolded(tmp_path)
    first = info_of(prepared(tmp_path, home))
    told = folder / "task.toml"
    told.write_text(told.read_text().replace(old, new))
    assert info_of(prepared(tmp_path, home)).digest != first.digest


@pytest.mark.parametrize(
    ("link", "to"),
    [
        ("data/x", "/etc/passwd"),
        ("data/x", "../hidden/test.npz"),
        ("data/x", "../measure.ipynb"),
        ("hidden/x", "audit/test.npz"),
        ("data/x", "../hidden"),
        ("measure.py", "task.toml"),
    ],
)
def test_a_link_out_of_its_part_is_refused(link: str, to: str, tmp_path: Path, home: Path) -> None:
    folder = scaffolded(tmp_path)
    (folder / link).symlink_to(to)
    with pytest.raises(InputError, match=f"toy/{link} is a link to .*; copy what it links to"):
        prepared(tmp_path, home)


def test_a_link_within_a_part_is_copied_as_a_file(tmp_path: Path, home: Path) -> None:
    folder = scaffolded(tmp_path)
    (folder / "data" / "again.npz").symlink_to("train.npz")
    copy = prepared(tmp_path, home)
    assert not (copy / "data" / "again.npz").is_symlink()


@pytest.mark.parametrize("kind", ["pipe", "nothing"])
def test_what_is_no_plain_file_is_refused(kind: str, tmp_path: Path, home: Path) -> None:
    path = scaffolded(tmp_path) / "data" / "x"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("gone")
    with pytest.raises(InputError, match="toy/data/x is"):
        prepared(tmp_path, home)


@pytest.mark.parametrize("name", ["data", "hidden", "hidden/audit"])
@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_file_in_place_of_a_folder_is_refused(
    name: str, kind: str, tmp_path: Path, home: Path
) -> None:
    path = scaffolded(tmp_path) / name
    path.rename(tmp_path / "elsewhere")
    if kind == "file":
        path.write_text("x")
    else:
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=f"toy/{name} is a file or a link; put the folder itself"):
        prepared(tmp_path, home)


@pytest.mark.parametrize("name", [b"a\nb", b"a\xff"])
def test_a_name_that_is_no_line_of_text_is_refused(name: bytes, tmp_path: Path, home: Path) -> None:
    (scaffolded(tmp_path) / "data" / os.fsdecode(name)).write_text("x")
    with pytest.raises(InputError, match=r"a file in toy is .*; its path must be UTF-8"):
        prepared(tmp_path, home)


BESIDE = [("old.ipynb", "{"), ("a.py", "# caf\u00e9\nimport scipy")]


@pytest.mark.parametrize(("name", "text"), BESIDE)
def test_files_beside_the_measurement_may_be_anything(
    name: str, text: str, tmp_path: Path, home: Path
) -> None:
    (scaffolded(tmp_path) / name).write_text(text, encoding="latin-1")
    assert (prepared(tmp_path, home) / "measure" / name).is_file()


def test_packages_are_those_that_measuring_code_imports(tmp_path: Path, home: Path) -> None:
    write_task(tmp_path, **{"helper.py": "import scipy.stats, os, other", "other.py": "x = 1"})
    assert info_of(prepared(tmp_path, home)).packages == ("scipy",)


def test_packages_are_found_beside_magic_lines(tmp_path: Path, home: Path) -> None:
    cell = Cell("measure", "%matplotlib inline\nimport scipy")
    write_task(tmp_path, **{"measure.ipynb": write_cells((cell,), KernelSpec())})
    assert info_of(prepared(tmp_path, home)).packages == ("scipy",)


def test_half_a_copy_of_a_killed_process_is_made_anew(tmp_path: Path, home: Path) -> None:
    scaffolded(tmp_path)
    copy = prepared(tmp_path, home)
    (copy / "task.json").unlink()
    copy.rename(home / f".{copy.name}.part")
    (home / f".{copy.name}.part" / "data" / "stale").write_text("x")
    assert not (prepared(tmp_path, home) / "data" / "stale").exists()


def test_a_task_file_says_what_its_copy_is_about(tmp_path: Path, home: Path) -> None:
    write_task(tmp_path, f'about = "words"\nmeasure = "sh x.sh"\n{SHORT}', **{"x.sh": "exit 1"})
    info = info_of(prepared(tmp_path, home))
    assert (info.about, info.command, info.task.folder) == ("words", "sh x.sh", "toy")
