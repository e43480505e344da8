"""A copied campaign goes on in a fresh clone with an empty data folder."""

from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign import context
from autoresearch_kit.campaign.backup import Restored, copy_campaign, restore
from autoresearch_kit.campaign.options import Options
from autoresearch_kit.campaign.settings import settle
from autoresearch_kit.errors import BusyError, InputError
from autoresearch_kit.files.atomic import copy_atomic, write_atomic
from autoresearch_kit.files.kit_copy import digest
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Bound, DatasetInfo, Fingerprint, Machine, Proposal, codec
from autoresearch_kit.tasks.lm.corpora import hidden_here
from autoresearch_kit.tasks.lm.dataset import complete, dataset_folder, open_dataset
from autoresearch_kit.tasks.lm.prepare import prepare
from autoresearch_kit.tasks.lm.splits import Sizes
from autoresearch_kit.tasks.lm.stdlib import StdlibCorpus
from autoresearch_kit.verdicts.comparable import fingerprint
from tests.campaign import tiny
from tests.ledger import ledger
from tests.researchers.llm.night import make_night
from tests.tasks.measured.folders import scaffolded

SIZES = Sizes(vocab_size=300, context=64)
MACHINE = Machine("a processor", False, "float32", True, 2, 8000.0, "2.13", "3.11", "Linux")


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a corpus that only the first machine has."""
    return tiny.write_corpus(tmp_path_factory.mktemp("lost") / "lost.txt")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, lost: Path) -> Workspace:
    """Make a campaign with proposals that wait, copy it to `disk`, and remove its corpus."""
    folder = tmp_path_factory.mktemp("first")
    workspace = Workspace(make_night(folder / "project").history.root, "night")
    workspace.create()
    workspace.copy_kit()
    module = workspace.kit / "autoresearch_kit" / "errors.py"
    module.write_text(module.read_text() + "# as it was then\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTORESEARCH_DATA", str(folder / "data"))
        prepare(str(lost), SIZES)
        vocab_size, length = SIZES.vocab_size, SIZES.context
        settings = replace(ledger.SETTINGS, vocab_size=vocab_size, context=length)
        workspace.write_settings(replace(settings, dataset=str(lost)))
        workspace.write_guidance("wider")
        workspace.under_way.write_pending(Proposal(4, 1, "optuna", "next", ""))
        workspace.under_way.write_prepared(Proposal(5, 1, "llm", "paid for", ""))
        workspace.write_bounds((Bound("parameters", 1e6),))
        (folder / "disk").mkdir()
        copy_campaign(workspace, folder / "disk")
        lost.unlink()
    return workspace


@pytest.fixture
def disk(first: Workspace) -> Path:
    return first.root.parent / "disk"


@pytest.fixture
def fresh(first: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Make another machine: a clone of the project and an empty data folder."""
    monkeypatch.setenv("AUTORESEARCH_DATA", str(tmp_path / "data"))
    clone = tmp_path / "clone"
    tiny.git(tmp_path, "clone", "-q", str(first.root), str(clone))
    return Workspace(clone, "night")


def test_history_and_fingerprint_are_restored(
    first: Workspace, fresh: Workspace, disk: Path, lost: Path
) -> None:
    def fingerprint_of(workspace: Workspace) -> Fingerprint:
        info = complete(dataset_folder(str(lost), workspace.root.parent / "data", SIZES))
        assert info is not None
        return fingerprint(info, MACHINE, 1)

    assert restore(fresh.root, disk) == [Restored("night", 4, "")]
    before, after = (History(each.root, "night").entries() for each in (first, fresh))
    assert before == after
    assert fingerprint_of(first) == fingerprint_of(fresh)


def test_a_restored_campaign_goes_on_without_its_corpus(
    first: Workspace, fresh: Workspace, disk: Path, lost: Path
) -> None:
    restore(fresh.root, disk, "night")
    assert fresh.under_way.pending() == first.under_way.pending()
    assert fresh.under_way.prepared() == first.under_way.prepared()
    assert fresh.bounds() == (Bound("parameters", 1e6),)
    assert fresh.guidance() == "wider"
    assert digest(fresh.kit) == digest(first.kit)
    settings = settle(fresh.root, "night", Options())
    assert settings.dataset == str(lost)
    folder = context.prepare_for(fresh.root, settings)
    assert codec.decode(DatasetInfo, (folder / "dataset.json").read_bytes()).restored


def test_a_campaign_that_is_not_behind_is_left_unchanged(fresh: Workspace, disk: Path) -> None:
    restore(fresh.root, disk, "night")
    fresh.write_guidance("deeper")
    assert restore(fresh.root, disk, "night") == [Restored("night", 4, "")]
    assert fresh.guidance() == "deeper"


def test_a_running_or_unknown_campaign_is_refused(fresh: Workspace, disk: Path) -> None:
    fresh.create()
    with fresh.lock(), pytest.raises(BusyError):
        restore(fresh.root, disk, "night")
    with pytest.raises(InputError, match=r"no copy of campaign 'day' in .*; there: night"):
        restore(fresh.root, disk, "day")


def test_another_data_set_is_not_overwritten(fresh: Workspace, disk: Path, lost: Path) -> None:
    restore(fresh.root, disk, "night")
    path = dataset_folder(str(lost), sizes=SIZES) / "dataset.json"
    other = codec.encode(replace(codec.decode(DatasetInfo, path.read_bytes()), corpus="other"))
    path.write_bytes(other)
    [restored] = restore(fresh.root, disk, "night")
    assert "another data set is in" in restored.lacks
    assert path.read_bytes() == other


def test_a_half_copied_data_set_is_reported_and_completed(
    first: Workspace, fresh: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()

    def copy() -> None:
        with monkeypatch.context() as patch:
            patch.setenv("AUTORESEARCH_DATA", str(first.root.parent / "data"))
            copy_campaign(first, disk)

    copy()
    [packed] = disk.glob("_datasets/*")
    (packed / "dataset.json").unlink()
    (packed / "val" / "tokens.bin").write_bytes(b"half")
    [restored] = restore(fresh.root, disk, "night")
    assert "still being copied" in restored.lacks
    assert restored.experiments == 4
    copy()
    [restored] = restore(fresh.root, disk, "night")
    assert restored.lacks == ""


def test_a_damaged_copy_is_refused(fresh: Workspace, disk: Path, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    folder.mkdir()
    (folder / "night.bundle").write_bytes((disk / "night.bundle").read_bytes())
    with pytest.raises(InputError, match=r"night\.zip is not whole"):
        restore(fresh.root, folder, "night")
    (folder / "night.zip").write_bytes((disk / "night.zip").read_bytes()[:1000])
    with pytest.raises(InputError, match=r"night\.zip is not whole"):
        restore(fresh.root, folder, "night")


def test_another_pythons_standard_library_is_accepted(
    fresh: Workspace, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Workspace(make_night(tmp_path / "other").history.root, "night")
    other.create()
    (other.kit / "autoresearch_kit").mkdir(parents=True)
    (other.kit / "autoresearch_kit" / "__init__.py").touch()
    other.write_settings(replace(ledger.SETTINGS, dataset="stdlib"))
    disk, data = tmp_path / "disk", tmp_path / "other-data"
    disk.mkdir()
    with monkeypatch.context() as patch:
        patch.setenv("AUTORESEARCH_DATA", str(data))
        foreign = data / prepare(str(corpus)).name  # this Python's library would not make it
        info = replace(open_dataset(foreign).info, name="stdlib", hidden=("/usr/nowhere/cgi.py",))
        write_atomic(foreign / "dataset.json", codec.encode(info))
        foreign.rename(data / "stdlib")
        copy_campaign(other, disk)
    tiny.git(tmp_path, "clone", "-q", str(other.root), str(tmp_path / "clone2"))
    assert restore(tmp_path / "clone2", disk) == [Restored("night", 4, "")]
    hidden = hidden_here(prepare("stdlib"), "stdlib")
    assert set(StdlibCorpus().hidden()) <= set(hidden)
    assert all(path.exists() for path in hidden)


def test_a_failed_copy_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"good")
    with pytest.raises(FileNotFoundError):
        copy_atomic(tmp_path / "gone", path)
    assert path.read_bytes() == b"good"


def test_a_task_folder_is_copied_and_restored(first: Workspace, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    tiny.git(tmp_path, "clone", "-q", str(first.root), str(clone))
    disk = tmp_path / "disk"
    disk.mkdir()
    folder = scaffolded(first.root)
    settings = settle(first.root, "other", Options(task="toy"))
    before = first.settings()
    first.write_settings(settings)
    copy_campaign(first, disk)
    (folder / "program.md").write_text("another")
    copy_campaign(first, disk)
    assert restore(clone, disk) == [Restored("night", 4, "")]
    assert context.prepare_for(clone, settings) == context.prepare_for(first.root, settings)
    assert (clone / "toy" / "program.md").read_text() == "another"
    assert before is not None
    first.write_settings(before)
