"""Find what runs of a task see and don't see of this machine."""

import sysconfig
from pathlib import Path

import pytest

from autoresearch_kit.errors import InputError
from autoresearch_kit.execution.sandbox.sights import hides_nothing, sight_of
from autoresearch_kit.records import Sight, Task, TaskInfo

PACKAGES = Path(sysconfig.get_path("purelib"))


def sight(*, sees: tuple[str, ...] = (), hides: tuple[str, ...] = ()) -> Sight:
    info = TaskInfo(Task("toy", (), ()), "1", "2", sees=sees, hides=hides)
    return sight_of(info, "toy", ["numpy"])


def test_hidden_paths_are_those_of_installed_packages() -> None:
    assert sight(hides=("numpy/random",)).hidden == (PACKAGES / "numpy" / "random",)
    assert sight(hides=("of_no_package",)).hidden == ()


def test_a_path_that_hides_nothing_is_told() -> None:
    assert hides_nothing(("numpy/random", "numpy/randm")) == ["numpy/randm"]


def test_paths_of_the_machine_are_as_they_are(tmp_path: Path) -> None:
    found = sight(sees=(str(tmp_path),), hides=(str(tmp_path),))
    assert found == Sight(("numpy",), (tmp_path,), (tmp_path,))


def test_what_a_task_sees_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"task toy sees .*/gone, which is not on this machine"):
        sight(sees=(str(tmp_path / "gone"),))
