"""A copy of a campaign in a folder of another disk, from which another machine can go on.

FOLDER/night.zip         settings, what was proposed and not yet run, the campaign's own package
FOLDER/night.bundle      its history, from the project's first commit
FOLDER/_datasets/...     the prepared data set, once for all campaigns on it

A folder can vanish at any moment: each file is replaced in whole, so that the last copy stays good.
"""

import shutil
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from autoresearch_kit.errors import CorpusError, ErrandError, InputError, LedgerError
from autoresearch_kit.files.atomic import copy_atomic
from autoresearch_kit.files.paths import checked
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import sharing
from autoresearch_kit.records import DatasetInfo
from autoresearch_kit.tasks.lm import travel
from autoresearch_kit.tasks.lm.dataset import INFO_FILE, folder_of, open_dataset

FILES = (
    "settings.json",
    "research.json",
    "usage.jsonl",
    "guidance.json",
    "pending.json",
    "ahead.json",
)
"""Of the campaign's folder. No key is in them, and errands.json is not among them."""

KIT = "kit"
"""Where in the zip the campaign's own copy of the package lies."""


def check_folder(folder: Path) -> Path:
    """The folder's absolute path.

    Raises:
        InputError: it is not there, or its path is not UTF-8, or has a line break. It is not made,
            since a disk may not be mounted yet.
    """
    folder = checked(folder.expanduser().resolve(), "the folder for copies")
    if not folder.is_dir():
        raise InputError(f"no folder {folder}; mount its disk, or make it: mkdir -p {folder}")
    return folder


def bundle_in(folder: Path, tag: str) -> Path:
    """Where a campaign's history lies in the copy."""
    return folder / f"{tag}.bundle"


def archive_in(folder: Path, tag: str) -> Path:
    """Where the rest lies."""
    return folder / f"{tag}.zip"


def dataset_in(folder: Path, info: DatasetInfo) -> Path:
    """Where a data set lies; a tag can't begin with '_'."""
    return folder / "_datasets" / f"{info.name}-{info.corpus}-{info.tokenizer}"


def copy_campaign(workspace: Workspace, folder: Path) -> None:
    """Copy the campaign as it is now; what is small and changes first, the data set last.

    Raises:
        ErrandError: the folder is gone, full or read-only, or git failed. The copy before is good.
    """
    scratch = workspace.folder / "copy"
    try:
        check_folder(folder)
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        _copy(workspace, folder, scratch)
        shutil.rmtree(scratch)
    except (InputError, LedgerError, CorpusError) as error:
        raise ErrandError(f"not copied: {error}") from error
    except OSError as error:
        raise ErrandError(f"not copied to {folder}: {error.strerror or error}") from error


def _copy(workspace: Workspace, folder: Path, scratch: Path) -> None:
    settings = workspace.settings()
    if settings is None:
        raise InputError(f"{workspace.folder} has no settings.json: was it removed?")
    dataset = open_dataset(folder_of(settings))
    archive, bundle = archive_in(scratch, workspace.tag), bundle_in(scratch, workspace.tag)
    _write_archive(workspace, dataset.folder, archive)
    copy_atomic(archive, folder / archive.name)
    sharing.bundle(workspace.root, workspace.tag, bundle)
    copy_atomic(bundle, folder / bundle.name)
    travel.pack(dataset.folder, dataset_in(folder, dataset.info))


def _write_archive(workspace: Workspace, dataset: Path, path: Path) -> None:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for file in (workspace.folder / name for name in FILES):
            if file.exists():
                archive.writestr(file.name, file.read_bytes())
        archive.write(dataset / INFO_FILE, INFO_FILE)
        for file in sorted(workspace.kit.rglob("*")):
            if file.is_file() and file.parent.name != "__pycache__":
                archive.write(file, Path(KIT) / file.relative_to(workspace.kit))
