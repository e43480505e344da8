"""Files of a campaign's folder that were cut short, emptied, or are rubbish."""

import logging
import shutil
import sys
from pathlib import Path

import pytest

from autoresearch_kit.campaign.options import Options
from autoresearch_kit.campaign.settings import settle
from autoresearch_kit.errors import InputError
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.live import read_live
from autoresearch_kit.files.record_files import FORGETTABLE
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import (
    Arm,
    Destinations,
    Limits,
    Measured,
    Prices,
    Probe,
    Proposal,
    Request,
    Research,
    Usage,
)
from autoresearch_kit.reports.reading import Reader
from autoresearch_kit.researchers.spending import Meter
from autoresearch_kit.ui import cli
from tests.campaign import made_up_runs, tiny
from tests.ledger.ledger import run

CUT = "cut short"
DAMAGE = {
    "empty": b"",
    CUT: b"",
    "rubbish": b"\x00\xff\x1b[2J" * 1000,
    "something else": b'["tag", 3]',
}
FILES = [pattern.replace("*", "0002") for pattern in FORGETTABLE]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project whose campaign has two experiments, and all of its files."""
    root = tiny.make_project(tmp_path_factory.mktemp("begun") / "project")
    made_up_runs.run(root, 1)
    place = Workspace(root, "night")
    place.under_way.write_pending(Proposal(2, 0, "optuna", "wider", "", constants={"WIDTH": 9}))
    place.under_way.write_prepared(Proposal(2, 0, "llm", "narrower", "", constants={"WIDTH": 5}))
    place.under_way.add_measured(Measured(2, Arm.CHALLENGER, 7, "c0de", "0002-1", run()))
    place.under_way.add_probe(Probe(2, run()))
    place.write_request(Request.PAUSE)
    place.write_guidance("wider")
    place.write_research(Research("m", prices=Prices(1, 2, 1)))
    place.write_destinations(Destinations("/mnt", ""))
    return root


@pytest.fixture
def place(tmp_path: Path, begun: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Return a copy of it, as the current folder."""
    root = shutil.copytree(begun, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(root)
    return Workspace(root, "night")


def damage(place: Workspace, name: str, how: str) -> Path:
    path = place.folder / name
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] if how == CUT else DAMAGE[how])
    return path


def says(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["autoresearch", *argv])
        try:
            cli.main()
        except SystemExit as end:
            return capsys.readouterr().out + str(end.code)
    raise AssertionError("a command ends")


@pytest.mark.parametrize("how", DAMAGE)
def test_damaged_files_are_set_aside_and_the_campaign_goes_on(
    how: str, place: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = [damage(place, name, how) for name in FILES]
    with caplog.at_level(logging.WARNING):
        made_up_runs.run(place.root, 2)
    assert [one.number for one in History(place.root, "night").experiments()] == [0, 1, 2]
    for path in damaged:
        if path.name not in ("state.json", "request.json"):  # written anew, or of the past
            assert f"{path} is damaged" in caplog.text
            assert path.with_suffix(".damaged").exists()


@pytest.mark.parametrize("how", DAMAGE)
def test_status_and_panel_tell_of_each(
    how: str, place: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in FILES:
        damage(place, name, how)
    said, reading = says(capsys, "status"), Reader(place.root, "night").read()
    for name in FILES:
        assert f"{place.folder / name} is damaged" in said
        assert f"{place.folder / name} is damaged" in "\n".join(reading.troubles)
    assert "2 tried" not in said
    assert len(reading.table) == 2


def test_a_request_damaged_meanwhile_is_no_request(
    place: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    (place.folder / "request.json").write_bytes(b'"resume"')
    with made_up_runs.made_up(), caplog.at_level(logging.WARNING):
        experiments = made_up_runs.campaign_in(place.root, Limits(experiments=3))
        next(experiments)
        (place.folder / "request.json").write_bytes(b"\x00")
        assert len(list(experiments)) == 1
    assert "request.json is damaged" in caplog.text
    assert "ask again" in caplog.text


def test_settings_come_back_out_of_git(place: Workspace) -> None:
    damage(place, "settings.json", CUT)
    assert settle(place.root, "night", Options()) == made_up_runs.SETTINGS
    made_up_runs.run(place.root, 2)
    assert place.settings() == made_up_runs.SETTINGS


def test_settings_that_git_does_not_have_are_asked_for(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Workspace(project, "night")
    place.create()
    place.write_settings(made_up_runs.SETTINGS)
    path = damage(place, "settings.json", CUT)
    said = says(capsys, "run", "night")
    assert said.startswith(f"error: {path} is damaged")
    assert said.endswith(f"mend it, or remove it: rm {path}")


@pytest.mark.parametrize("how", DAMAGE)
def test_what_the_user_set_is_not_guessed(
    how: str, place: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = damage(place, "research.json", how)
    destinations = damage(place, "destinations.json", how)
    with pytest.raises(InputError, match=f"{asked} is damaged .*rm {asked}"):
        place.research()
    for command in ("backup", "notify", "run"):
        assert f"error: {destinations} is damaged" in says(capsys, command, "night")


def test_a_usage_line_cut_short_spares_the_next(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    meter = Meter(tmp_path / "usage.jsonl")
    meter.add(1, Usage(1, 10, 5))
    meter.path.write_bytes(meter.path.read_bytes() + b'{"number":1,"usa')
    meter.add(1, Usage(1, 20, 7))
    meter.path.write_bytes(meter.path.read_bytes() + b"\xff\x00\n\n")
    meter.add(2, Usage(1, 1, 1))
    assert meter.spent_on(1) == Usage(2, 30, 12)
    assert meter.in_flight(()) == Usage(3, 31, 13)
    assert caplog.text.count("can't be read") == 2


def test_a_damaged_live_file_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / handover.LIVE_FILE).write_bytes(b"\x00")
    assert read_live(tmp_path).stage == "start"


def test_what_lies_among_the_runs_is_removed(place: Workspace, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.txt").write_text("mine")
    (place.runs / ".DS_Store").write_bytes(b"\x00")
    (place.runs / "0001-1").symlink_to(elsewhere)
    (place.folder / "request.json").unlink()
    made_up_runs.run(place.root, 2)
    assert list(place.runs.iterdir()) == []
    assert (elsewhere / "mine.txt").exists()
