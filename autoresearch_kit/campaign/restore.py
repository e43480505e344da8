"""`restore`: a campaign brought back from its copy, on a fresh machine or after a disk was lost."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from autoresearch_kit.campaign.backup import (
    FILES,
    KIT,
    archive_in,
    bundle_in,
    check_folder,
    dataset_in,
)
from autoresearch_kit.errors import CorpusError, InputError
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History, sharing, valid_tag
from autoresearch_kit.records import DatasetInfo, Settings, codec
from autoresearch_kit.tasks.lm import travel
from autoresearch_kit.tasks.lm.dataset import INFO_FILE, folder_of


@dataclass(frozen=True)
class Restored:
    """What is here now; `lacks` says what keeps the campaign from going on, empty if nothing."""

    tag: str
    experiments: int
    lacks: str


def restore(root: Path, folder: Path, tag: str | None = None) -> list[Restored]:
    """Bring back campaign `tag`, or all, from `folder` into the project at `root`.

    What is here already stays: an experiment for good, the rest unless the copy is further.

    Raises:
        InputError: there is no such copy, or it is damaged.
        BusyError: the campaign is running here.
        LedgerError: another campaign of that name is here.
    """
    folder = check_folder(folder)
    there = sorted(path.stem for path in folder.glob("*.bundle"))
    wanted = [valid_tag(tag)] if tag else there
    if not wanted or not set(wanted) <= set(there):
        what = f"campaign '{tag}'" if tag else "any campaign"
        raise InputError(f"no copy of {what} in {folder}; there: {', '.join(there) or 'none'}")
    return [_restore(Workspace(root, one), folder) for one in wanted]


def _restore(workspace: Workspace, folder: Path) -> Restored:
    tag, archive = workspace.tag, archive_in(folder, workspace.tag)
    workspace.create()
    with workspace.lock():
        history = History(workspace.root, tag)
        before = history.next_number()
        sharing.fetch(workspace.root, tag, str(bundle_in(folder, tag)))
        after = history.next_number()
        try:
            with ZipFile(archive) as opened:
                if after > before or workspace.settings() is None:
                    _place_files(opened, workspace)
                lacks = _place_dataset(opened, folder)
        except (BadZipFile, KeyError, FileNotFoundError) as error:
            raise InputError(f"{archive} is not whole: {error}") from error
    return Restored(tag, after, lacks)


def _place_files(archive: ZipFile, workspace: Workspace) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        kit = [name for name in archive.namelist() if name.startswith(f"{KIT}/")]
        archive.extractall(scratch, kit)
        workspace.copy_kit(Path(scratch) / KIT / "autoresearch_kit")
    for name in FILES:
        if name in archive.namelist():
            write_atomic(workspace.folder / name, archive.read(name))


def _place_dataset(archive: ZipFile, folder: Path) -> str:
    """Bring the data set to its place; why it could not be, or nothing."""
    info = codec.decode(DatasetInfo, archive.read(INFO_FILE))
    settings = codec.decode(Settings, archive.read("settings.json"))
    try:
        travel.unpack(dataset_in(folder, info), folder_of(settings))
    except CorpusError as error:
        return str(error)
    return ""
