"""The commands backup and notify change one destination each."""

from pathlib import Path

import pytest

from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Destinations
from autoresearch_kit.ui.cli.share import backup, set_webhook
from tests.ledger import ledger


def test_each_command_changes_its_own_destination(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root, disk = ledger.project(tmp_path / "project"), tmp_path / "d"
    ledger.add(History(root, "night"), 0)
    disk.mkdir()
    monkeypatch.chdir(root)
    backup("night", str(disk))
    set_webhook("night", "https://h.org/secret")
    both = Destinations(str(disk), "https://h.org/secret")
    assert Workspace(root, "night").destinations() == both
    backup("night", "")
    set_webhook("night")
    set_webhook("night", "")
    assert capsys.readouterr().out.splitlines()[-4:] == [
        "notices go to the log, and h.org",
        "copies go to nowhere",
        "notices go to the log, and h.org",
        "notices go to the log only",
    ]
