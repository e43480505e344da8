"""A campaign that was copied comes back in a fresh clone, with a fresh data folder."""

from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign import context, restore
from autoresearch_kit.campaign.backup import copy_campaign
from autoresearch_kit.campaign.options import Wishes, settle
from autoresearch_kit.errors import BusyError, InputError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import DatasetInfo, Fingerprint, Machine, Proposal, codec
from autoresearch_kit.tasks.lm.dataset import complete, dataset_folder
from autoresearch_kit.tasks.lm.prepare import prepare
from autoresearch_kit.tasks.lm.splits import Sizes
from autoresearch_kit.verdicts.comparable import fingerprint
from tests.campaign import tiny
from tests.ledger import ledger
from tests.researchers.llm.night import make_night

SIZES = Sizes(vocab_size=300, context=64)
MACHINE = Machine("a processor", False, "float32", True, 2, 8000.0, "2.13", "3.11", "Linux")


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus that is on the first machine only."""
    return tiny.write_corpus(tmp_path_factory.mktemp("lost") / "lost.txt")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, lost: Path) -> Workspace:
    """The campaign where it ran, its next proposal written down; its corpus then goes away."""
    folder = tmp_path_factory.mktemp("first")
    place = Workspace(make_night(folder / "project").history.root, "night")
    place.create()
    place.copy_kit()
    kept = place.kit / "autoresearch_kit" / "tasks" / "lm" / "build.py"
    kept.write_text(kept.read_text() + "# as it was then\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTORESEARCH_DATA", str(folder / "data"))
        prepare(str(lost), Sizes(vocab_size=SIZES.vocab_size, context=SIZES.context))
        place.write_settings(
            replace(
                ledger.SETTINGS,
                dataset=str(lost),
                vocab_size=SIZES.vocab_size,
                context=SIZES.context,
            )
        )
        place.write_guidance("wider")
        place.write_pending(Proposal(4, 1, "optuna", "next", ""))
        (folder / "disk").mkdir()
        copy_campaign(place, folder / "disk")
        lost.unlink()
    return place


@pytest.fixture
def disk(first: Workspace) -> Path:
    return first.root.parent / "disk"


@pytest.fixture
def fresh(first: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Another machine: a clone, and nothing prepared."""
    monkeypatch.setenv("AUTORESEARCH_DATA", str(tmp_path / "data"))
    clone = tmp_path / "clone"
    tiny.git(tmp_path, "clone", "-q", str(first.root), str(clone))
    return Workspace(clone, "night")


def info_of(home: Path, name: str) -> DatasetInfo:
    info = complete(dataset_folder(name, home, SIZES))
    assert info is not None
    return info


def print_of(place: Workspace, lost: Path) -> Fingerprint:
    return fingerprint(info_of(place.root.parent / "data", str(lost)), MACHINE, 1)


def test_the_history_is_equal(first: Workspace, fresh: Workspace, disk: Path) -> None:
    assert restore.restore(fresh.root, disk) == [restore.Restored("night", 4, "")]
    before, after = (History(place.root, "night").entries() for place in (first, fresh))
    assert before == after


def test_the_fingerprint_is_equal(
    first: Workspace, fresh: Workspace, disk: Path, lost: Path
) -> None:
    restore.restore(fresh.root, disk, "night")
    assert print_of(first, lost) == print_of(fresh, lost)


def test_the_copy_of_the_package_is_equal(first: Workspace, fresh: Workspace, disk: Path) -> None:
    restore.restore(fresh.root, disk, "night")
    copies = [place.kit / "autoresearch_kit" / "tasks/lm/build.py" for place in (first, fresh)]
    assert copies[0].read_text() == copies[1].read_text()


def test_it_goes_on_without_the_corpus(fresh: Workspace, disk: Path, lost: Path) -> None:
    restore.restore(fresh.root, disk, "night")
    settings = settle(fresh.root, "night", Wishes())
    assert settings.dataset == str(lost)
    folder = context.prepare_for(settings)
    assert codec.decode(DatasetInfo, (folder / "dataset.json").read_bytes()).restored


def test_what_was_proposed_and_said_is_there(
    first: Workspace, fresh: Workspace, disk: Path
) -> None:
    restore.restore(fresh.root, disk, "night")
    assert fresh.pending() == first.pending()
    assert fresh.guidance() == "wider"


def test_a_campaign_that_is_further_here_is_left_as_it_is(fresh: Workspace, disk: Path) -> None:
    restore.restore(fresh.root, disk, "night")
    fresh.write_guidance("deeper")
    restore.restore(fresh.root, disk, "night")
    assert fresh.guidance() == "deeper"


def test_a_campaign_that_runs_here_is_left_alone(fresh: Workspace, disk: Path) -> None:
    fresh.create()
    with fresh.lock(), pytest.raises(BusyError):
        restore.restore(fresh.root, disk, "night")


def test_other_data_under_the_name_is_not_written_over(
    fresh: Workspace, disk: Path, lost: Path, tmp_path: Path
) -> None:
    restore.restore(fresh.root, disk, "night")
    path = dataset_folder(str(lost), sizes=SIZES) / "dataset.json"
    other = codec.encode(replace(codec.decode(DatasetInfo, path.read_bytes()), corpus="other"))
    path.write_bytes(other)
    [restored] = restore.restore(fresh.root, disk, "night")
    assert "another data set is in" in restored.lacks
    assert path.read_bytes() == other


def test_data_that_was_still_being_copied_is_said(
    first: Workspace, fresh: Workspace, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTORESEARCH_DATA", str(first.root.parent / "data"))
        copy_campaign(first, disk)
    next(disk.glob("_datasets/*/dataset.json")).unlink()
    [restored] = restore.restore(fresh.root, disk, "night")
    assert "still being copied" in restored.lacks
    assert restored.experiments == 4


def test_an_unknown_campaign_is_refused_with_those_there_are(fresh: Workspace, disk: Path) -> None:
    with pytest.raises(InputError, match=r"no copy of campaign 'day' in .*; there: night"):
        restore.restore(fresh.root, disk, "day")


def test_a_damaged_copy_is_refused(fresh: Workspace, disk: Path, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    folder.mkdir()
    (folder / "night.bundle").write_bytes((disk / "night.bundle").read_bytes())
    with pytest.raises(InputError, match=r"night\.zip is not whole"):
        restore.restore(fresh.root, folder, "night")
    (folder / "night.zip").write_bytes((disk / "night.zip").read_bytes()[:1000])
    with pytest.raises(InputError, match=r"night\.zip is not whole"):
        restore.restore(fresh.root, folder, "night")
