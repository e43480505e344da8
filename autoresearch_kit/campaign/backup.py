"""A copy of a campaign on another disk, and the way back on another machine.

FOLDER/night.zip         settings, what was proposed and not yet run, the campaign's own package
FOLDER/night.bundle      its history, from the project's first commit
FOLDER/_datasets/...     the prepared data set, once for all campaigns on it
FOLDER/_tasks/TAG/...    instead, the folder of a task of its own

The disk can vanish at any moment: each file is replaced in whole, so that the last copy stays good.
The data set is copied because it can't always be made again: another Python has another standard
library, so that the same command would make another data set, and scores could not be compared.
"""

import re
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

from autoresearch_kit.errors import BackupError, CorpusError, InputError, LedgerError
from autoresearch_kit.files.atomic import copy_atomic, write_atomic
from autoresearch_kit.files.paths import checked
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History, sharing, valid_tag
from autoresearch_kit.records import DatasetInfo, Settings, codec
from autoresearch_kit.tasks.lm.dataset import INFO_FILE, Dataset, complete, folder_of, open_dataset

FILES = ("settings.json", "research.json", "usage.jsonl", "guidance.json", "bounds.json")
"""The files of the campaign's folder that are copied, beside those of `SEVERAL`. No secret is in
them; destinations.json has one, so it stays out."""

SEVERAL = re.compile(r"(pending|prepared)/[0-9]{4,9}\.json|directives/\w+\.md")
"""Paths of proposals that wait, and of each program.md."""

KIT = "kit"  # the folder in the zip that holds the campaign's own copy of the package

SAME_SCORES = ("corpus", "tokenizer", "packing", "context", "eval_rows")
"""Fields of a data set that must be equal for scores to be comparable."""


@dataclass(frozen=True)
class Restored:
    """A campaign that was restored; `lacks` says why it can't go on, and is empty if it can."""

    tag: str
    experiments: int
    lacks: str


def check_folder(folder: Path) -> Path:
    """Return the folder's absolute path.

    Raises:
        InputError: it is not there, or its path is not UTF-8, or has a line break. It is not made,
            since a disk may not be mounted yet.
    """
    folder = checked(folder.expanduser().resolve(), "the folder for copies")
    if not folder.is_dir():
        raise InputError(f"no folder {folder}; mount its disk, or make it: mkdir -p {folder}")
    return folder


def copy_campaign(workspace: Workspace, folder: Path) -> None:
    """Copy the campaign as it is now; what is small and changes first, the data set last.

    Raises:
        BackupError: the folder is gone, full or read-only, or git failed. The copy before is good.
    """
    scratch = workspace.folder / "copy"
    archive, bundle = (scratch / f"{workspace.tag}.{kind}" for kind in ("zip", "bundle"))
    try:
        check_folder(folder)
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        settings = workspace.settings()
        if settings is None:
            raise InputError(f"{workspace.folder} has no settings.json: was it removed?")
        own, data = workspace.root / settings.task.folder, None
        if not settings.task.folder:
            data = open_dataset(folder_of(settings))
        _write_archive(workspace, data, archive)
        copy_atomic(archive, folder / archive.name)
        sharing.bundle(workspace.root, workspace.tag, bundle)
        copy_atomic(bundle, folder / bundle.name)
        if data is None:
            _pack_dataset(own, _task_in(folder, workspace.tag))
        else:
            _pack_dataset(data.folder, _dataset_in(folder, data.info))
        shutil.rmtree(scratch)
    except (InputError, LedgerError, CorpusError) as error:
        raise BackupError(f"not copied: {error}") from error
    except OSError as error:
        raise BackupError(f"not copied to {folder}: {error.strerror or error}") from error


def restore(root: Path, folder: Path, tag: str | None = None) -> list[Restored]:
    """Bring back campaign `tag`, or all, from `folder` into the project at `root`.

    Experiments that are here already stay. So do the campaign's files, unless the copy has more
    experiments.

    Raises:
        InputError: there is no such copy, or it is damaged.
        BusyError: the campaign is running here.
        LedgerError: another campaign of that name is here.
    """
    folder = check_folder(folder)
    copied = sorted(path.stem for path in folder.glob("*.bundle"))
    wanted = [valid_tag(tag)] if tag else copied
    if not wanted or not set(wanted) <= set(copied):
        what = f"campaign '{tag}'" if tag else "any campaign"
        raise InputError(f"no copy of {what} in {folder}; there: {', '.join(copied) or 'none'}")
    return [_restore(Workspace(root, name), folder) for name in wanted]


def _dataset_in(folder: Path, info: DatasetInfo) -> Path:
    # a tag can't begin with '_'
    return folder / "_datasets" / f"{info.name}-{info.corpus}-{info.tokenizer}"


def _task_in(folder: Path, tag: str) -> Path:
    return folder / "_tasks" / tag


def _write_archive(workspace: Workspace, dataset: Dataset | None, path: Path) -> None:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name in [*FILES, *_several(workspace.folder)]:
            with suppress(FileNotFoundError):  # there is none, or it was taken meanwhile
                archive.write(workspace.folder / name, name)
        if dataset is not None:
            archive.write(dataset.folder / INFO_FILE, INFO_FILE)
        for file in sorted(workspace.kit.rglob("*")):
            if file.is_file() and file.parent.name != "__pycache__":
                archive.write(file, Path(KIT) / file.relative_to(workspace.kit))


def _several(folder: Path) -> list[str]:
    names = (path.relative_to(folder).as_posix() for path in folder.glob("*/*"))
    return sorted(filter(SEVERAL.fullmatch, names))


def _pack_dataset(dataset: Path, folder: Path) -> None:
    """Copy a data set, or a task's folder, into `folder`, except files that are there already."""
    paths = [path for path in sorted(dataset.rglob("*")) if path.is_file()]
    # the file that makes a data set complete comes last, so that a later call goes on
    for path in sorted(paths, key=lambda path: path.name == INFO_FILE):
        target = folder / path.relative_to(dataset)
        if not target.exists() or _differs(path, target):
            target.parent.mkdir(exist_ok=True, parents=True)
            copy_atomic(path, target)


def _differs(path: Path, copy: Path) -> bool:
    now, then = path.stat(), copy.stat()
    return now.st_size != then.st_size or now.st_mtime > then.st_mtime


def _restore(workspace: Workspace, folder: Path) -> Restored:
    archive = folder / f"{workspace.tag}.zip"
    workspace.create()
    with workspace.lock():
        history = History(workspace.root, workspace.tag)
        before = history.next_number()
        sharing.fetch(workspace.root, workspace.tag, str(folder / f"{workspace.tag}.bundle"))
        after = history.next_number()
        try:
            with ZipFile(archive) as opened:
                if after > before or workspace.settings() is None:
                    _restore_files(opened, workspace)
                settings = codec.decode(Settings, opened.read("settings.json"))
                if settings.task.folder:
                    unpack = partial(_unpack_task, _task_in(folder, workspace.tag))
                    target = workspace.root / settings.task.folder
                else:
                    info = codec.decode(DatasetInfo, opened.read(INFO_FILE))
                    unpack = partial(_unpack_dataset, _dataset_in(folder, info))
                    target = folder_of(settings)
        except (BadZipFile, KeyError, FileNotFoundError) as error:
            raise InputError(f"{archive} is not whole: {error}") from error
        try:
            unpack(target)
        except CorpusError as error:
            return Restored(workspace.tag, after, str(error))
    return Restored(workspace.tag, after, "")


def _restore_files(archive: ZipFile, workspace: Workspace) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        kit = [name for name in archive.namelist() if name.startswith(f"{KIT}/")]
        archive.extractall(scratch, kit)
        workspace.copy_kit(Path(scratch) / KIT / "autoresearch_kit")
    for name in archive.namelist():
        if name in FILES or SEVERAL.fullmatch(name):
            (workspace.folder / name).parent.mkdir(exist_ok=True)
            write_atomic(workspace.folder / name, archive.read(name))


def _unpack_task(packed: Path, folder: Path) -> None:
    """Copy a task's folder back into the project, unless it is there; it may have been changed."""
    if folder.exists():
        return
    if not packed.is_dir():
        raise CorpusError(f"there is no copy of the task in {packed}")
    part = folder.with_name(f".{folder.name}.restored")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(packed, part)
    part.rename(folder)


def _unpack_dataset(packed: Path, dataset: Path) -> None:
    """Copy a packed data set to `dataset`, unless an equal one is there.

    Raises:
        CorpusError: the copy is not complete, or another data set is there.
    """
    info, present = complete(packed), complete(dataset)
    if info is None:
        raise CorpusError(f"the data set in {packed} is not whole: it was still being copied")
    if present and all(getattr(present, name) == getattr(info, name) for name in SAME_SCORES):
        return
    if dataset.exists():
        raise CorpusError(
            f"another data set is in {dataset}; move it away, or restore into another folder: "
            "AUTORESEARCH_DATA=FOLDER, then and for each `autoresearch run`"
        )
    part = dataset.with_name(f".{dataset.name}.restored")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(packed, part)
    hidden = tuple(path for path in info.hidden if Path(path).exists())
    write_atomic(part / INFO_FILE, codec.encode(replace(info, hidden=hidden, restored=True)))
    part.rename(dataset)
