"""Remove whatever a notebook left in a folder, and touch nothing beside it."""

import logging
import os
from pathlib import Path

import pytest

from autoresearch_kit.files.removal import remove_tree
from tests.execution import odd_files


def test_what_is_strange_or_deep_is_removed(tmp_path: Path) -> None:
    odd_files.strange(tmp_path / "run")
    odd_files.deep(tmp_path / "run" / "strange")
    odd_files.strange(tmp_path / "run" / "strange" / "within")
    remove_tree(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_targets_of_links_stay(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir(mode=0o750)
    (tmp_path / "other" / "kept").touch()
    (tmp_path / "run" / "a").mkdir(parents=True)
    for folder in ("run", "run/a"):
        (tmp_path / folder / "link").symlink_to(tmp_path / "other")
    os.link(tmp_path / "other" / "kept", tmp_path / "run" / "hard")
    remove_tree(tmp_path / "run")
    assert (tmp_path / "other" / "kept").exists()
    assert (tmp_path / "other").stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("target", ["folder", "nowhere", "link"])
def test_only_a_link_itself_is_removed(target: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(target)
    remove_tree(tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_folder_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    remove_tree(tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_its_owner_may_not_use_is_removed(tmp_path: Path) -> None:
    """Root may write everywhere, so that this would show nothing."""
    (tmp_path / "run" / "a" / "b").mkdir(parents=True)
    for folder in ("run/a/b", "run/a", "run"):
        (tmp_path / folder).chmod(0)
    remove_tree(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_removal_that_takes_too_long_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "run" / "a").mkdir(parents=True)
    with caplog.at_level(logging.WARNING):
        remove_tree(tmp_path / "run", seconds=-1.0)
    assert "holds more than is removed in -1 s; the rest goes later" in caplog.text
    assert (tmp_path / "run" / "a").exists()
