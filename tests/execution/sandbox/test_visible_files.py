"""Find what runs of a task see and don't see of this machine."""

import sysconfig
from pathlib import Path

import pytest

from autoresearch_kit.errors import InputError
from autoresearch_kit.execution.sandbox.visible_files import absent_hidden, find_visible_files
from autoresearch_kit.records import Task, TaskInfo, VisibleFiles

PACKAGES = Path(sysconfig.get_path("purelib"))


def visible(*, sees: tuple[str, ...] = (), hides: tuple[str, ...] = ()) -> VisibleFiles:
    info = TaskInfo(Task("toy", (), ()), "1", "2", sees=sees, hides=hides)
    return find_visible_files(info, "toy", ["numpy"])


def test_hidden_paths_are_those_of_installed_packages() -> None:
    assert visible(hides=("numpy/random",)).hidden == (PACKAGES / "numpy" / "random",)
    assert visible(hides=("of_no_package",)).hidden == ()


def test_a_path_that_hides_nothing_is_told() -> None:
    assert absent_hidden(("numpy/random", "numpy/randm")) == ["numpy/randm"]


def test_paths_of_the_machine_are_as_they_are(tmp_path: Path) -> None:
    found = visible(sees=(str(tmp_path),), hides=(str(tmp_path),))
    assert found == VisibleFiles(("numpy",), (tmp_path,), (tmp_path,))


def test_what_a_task_sees_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"task toy sees .*/gone, which is not on this machine"):
        visible(sees=(str(tmp_path / "gone"),))


@pytest.mark.parametrize("hidden", [str(PACKAGES.parent), f"{PACKAGES.parent}/", "/usr"])
def test_a_folder_around_what_every_run_needs_is_refused(hidden: str) -> None:
    with pytest.raises(InputError, match=r"task toy hides /.*, in which every run sees /.*; hide"):
        visible(hides=(hidden,))


def test_a_folder_around_what_is_seen_is_refused(tmp_path: Path) -> None:
    seen, link = tmp_path / "all" / "train", tmp_path / "link"
    seen.mkdir(parents=True)
    link.symlink_to(tmp_path / "all")
    for hidden in (seen.parent, link):
        with pytest.raises(InputError, match=f"hides {hidden}, and sees {seen} in it; take one"):
            visible(sees=(str(seen),), hides=(str(hidden),))


def test_what_lies_in_a_seen_folder_can_be_hidden(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    assert visible(sees=(str(tmp_path),), hides=(f"{tmp_path}/secret/",)).hidden
