from pathlib import Path

import pytest

from autoresearch_kit.errors import InputError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Bound
from autoresearch_kit.ui.cli.steer import bound
from tests.ledger import ledger


@pytest.fixture(autouse=True)
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Return a campaign with its baseline, of which `val_bpb` was measured."""
    root = ledger.project(tmp_path / "project")
    ledger.add(History(root, "night"), 0)
    monkeypatch.chdir(root)
    return Workspace(root, "night")


def test_bounds_are_added_listed_and_removed(
    begun: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    bound("night")
    bound("night", ["val_bpb <= 1.4", "val_bpb >= 1"])
    bound("night", ["val_bpb <= 1.3"])
    assert begun.bounds() == (Bound("val_bpb", 1.3), Bound("val_bpb", 1.0, at_most=False))
    bound("night", remove=["val_bpb >= 1"])
    bound("night", remove=["val_bpb"])
    assert begun.bounds() == ()
    said = capsys.readouterr().out.splitlines()
    assert said[0] == said[-1] == "'night' has no bounds"
    assert "val_bpb <= 1.3" in said


@pytest.mark.parametrize(
    ("bounds", "remove", "said"),
    [
        (["val_bpb < 1"], None, "write 'METRIC <= NUMBER'"),
        (["loss <= 1"], None, "is on no metric"),
        (["parameters <= 9"], None, "was measured of none of the runs so far"),
        (None, ["nodes"], "has no such bound; there: none"),
    ],
)
def test_a_wrong_bound_changes_nothing(
    begun: Workspace, bounds: list[str] | None, remove: list[str] | None, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        bound("night", bounds, remove)
    assert begun.bounds() is None


def test_an_unknown_campaign_has_no_bounds() -> None:
    with pytest.raises(InputError, match="no campaign"):
        bound("day", ["val_bpb <= 1"])
