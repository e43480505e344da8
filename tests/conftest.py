from pathlib import Path

import pytest

from tests.campaign import tiny


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text file that campaigns may train on."""
    return tiny.write_corpus(tmp_path_factory.mktemp("corpus") / "habits.txt")


@pytest.fixture(scope="session")
def data_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this session's prepared data sets lie."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def project(tmp_path: Path, data_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with the tiny notebook, as the current folder."""
    monkeypatch.setenv("AUTORESEARCH_DATA", str(data_home))
    root = tiny.make_project(tmp_path / "project")
    monkeypatch.chdir(root)
    return root
