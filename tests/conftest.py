import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from tests import bundled
from tests.campaign import tiny

SLOW_SECONDS = 1800
"""Seconds after which a slow test hangs: CI runs four at once on two cores."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give slow tests the time that they have; skip what needs a GPU where there is none.

    Files with slow tests come first: those that are left at the end are short, and keep every
    worker busy until then.
    """
    on_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if on_gpu and not _has_gpu():
        for item in on_gpu:
            item.add_marker(pytest.mark.skip(reason="needs a GPU of NVIDIA's"))
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(SLOW_SECONDS))
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_sessionfinish() -> None:
    """Remove the folders that tests left beside installed packages, once no worker runs."""
    if not os.environ.get("PYTEST_XDIST_WORKER"):
        for folder in bundled.leftovers():
            shutil.rmtree(folder, ignore_errors=True)


def _has_gpu() -> bool:
    import torch  # the modules of these tests have loaded it already

    return torch.cuda.is_available()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all processes of this test run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session")
def corpus(shared: Path) -> Path:
    """Return a text file that campaigns may train on."""
    path = shared / "habits.txt"
    with FileLock(shared / "habits.lock"):
        return path if path.exists() else tiny.write_corpus(path)


@pytest.fixture(scope="session", autouse=True)
def data_home(shared: Path) -> Iterator[Path]:
    """Make a folder for prepared data sets, shared and apart from the user's own; return it."""
    home = shared / "data"
    home.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTORESEARCH_DATA", str(home))
        yield home


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a git repository with the tiny notebook, as the current folder."""
    root = tiny.make_project(tmp_path / "project")
    monkeypatch.chdir(root)
    return root
