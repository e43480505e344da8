"""A project's repository, and the history of a campaign in it."""

from pathlib import Path

import pytest

from autoresearch_kit.ledger import History
from tests.ledger.ledger import project


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return project(tmp_path / "project")


@pytest.fixture
def history(root: Path) -> History:
    return History(root, "night")
