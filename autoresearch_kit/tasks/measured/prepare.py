"""Make the prepared copy of a task's folder, which runs and measurements see parts of.

The copy is named after a digest of all that is in it, and never changes once it is there. It has
`task.json`, `data/`, `hidden/`, `measure/` and, where the task has such a part, `audit/`.
"""

import hashlib
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from filelock import FileLock

from autoresearch_kit.errors import InputError
from autoresearch_kit.files.paths import checked, data_home
from autoresearch_kit.notebook.cells import Cell, parse_cells, read_text, write_cells
from autoresearch_kit.notebook.refusals import imported_modules
from autoresearch_kit.records import Metric, TaskInfo, codec
from autoresearch_kit.tasks.measured.layout import (
    AUDIT_FOLDER,
    DATA_FOLDER,
    DIRECTIVE_FILE,
    HIDDEN_FOLDER,
    INFO_FILE,
    MEASURE_FOLDER,
    MEASURE_NOTEBOOK,
    TASK_FILE,
    TRAIN_NOTEBOOK,
)
from autoresearch_kit.tasks.measured.measure_notebook import without_magic
from autoresearch_kit.tasks.measured.task_file import TaskFile, read

NOT_MEASURING = (TASK_FILE, TRAIN_NOTEBOOK, DIRECTIVE_FILE)
"""Files of a task's folder that no measurement sees."""

NOT_COPIED = frozenset({"__pycache__", ".ipynb_checkpoints", ".git", ".DS_Store"})
"""Files and folders that come and go without anybody's intention."""

PARTS = (DATA_FOLDER, HIDDEN_FOLDER, AUDIT_FOLDER, MEASURE_FOLDER)

FOLDERS = (Path(DATA_FOLDER), Path(HIDDEN_FOLDER), Path(HIDDEN_FOLDER, AUDIT_FOLDER))
"""Paths in a task's folder that can't be files."""

LEAST_BYTES = 16
"""A smaller file can be equal to another by chance."""

Files = Mapping[str, Path]
"""Files by their paths in the prepared copy, in the order of these."""


@dataclass(frozen=True)
class _Measuring:
    """The settings on which values depend, beside the files that measure."""

    metrics: tuple[Metric, ...]
    trusted: bool
    command: str
    checks: str


def prepare_task(root: Path, folder: str, home: Path | None = None) -> Path:
    """Make the prepared copy of the task in a folder of the project at `root`; return where it is.

    Quick where that was done before, but for reading all files. It is made beside its final place
    and moved there when complete, so that this can be interrupted and repeated at any moment.

    Raises:
        InputError: the task can't be used; the message says what to do.
        OSError: the disk is full, or the folder of prepared data sets can't be written.
    """
    home = home or data_home()
    task_toml, files = read(root, folder), task_files(root, folder)
    info = _info(task_toml, files)
    content = hashlib.sha256(codec.compact(info)).hexdigest()[:12]
    target = home / f"{info.name}-{content}"
    if (target / INFO_FILE).is_file():
        return target
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / f".{target.name}.lock"):
        if not (target / INFO_FILE).is_file():
            _copy(info, files, target)
    return target


def task_files(root: Path, folder: str) -> Files:
    """Return the files that a prepared copy has of a task's folder.

    Raises:
        InputError: a link leads out of its part of the folder, a file is not plain, or lies where a
            folder belongs, or its name can't stand in records.
    """
    source = root / folder
    found: dict[str, Path] = {}
    for path in sorted(_walk(source)):
        name = checked(path.relative_to(source), f"a file in {folder}")
        if name in FOLDERS:
            raise InputError(f"{folder}/{name} is a file or a link; put the folder itself there")
        place = _place(name)
        if place is not None:
            _check_plain(path, source, folder)
            found[place] = path
    return found


def same_content(files: Files) -> Iterator[tuple[str, str]]:
    """Yield hidden files, each with a file that runs see and that has the same content."""
    hidden = {
        name: path
        for name, path in files.items()
        if _part(name) in (HIDDEN_FOLDER, AUDIT_FOLDER) and path.stat().st_size >= LEAST_BYTES
    }
    sizes = {path.stat().st_size for path in hidden.values()}
    seen = defaultdict[str, list[str]](list)
    for name, path in files.items():
        if _part(name) == DATA_FOLDER and path.stat().st_size in sizes:
            seen[_content(path)].append(name)
    for name, path in hidden.items() if seen else ():
        yield from ((_in_folder(name), other) for other in seen.get(_content(path), ()))


def packages_of(files: Files) -> tuple[str, ...]:
    """Return the modules that `measure.ipynb` and the Python files beside it import."""
    own = {"autoresearch_kit", *sys.stdlib_module_names}
    modules = set[str]()
    for name, path in files.items():
        if PurePosixPath(name).parts[0] == MEASURE_FOLDER:
            own.add(PurePosixPath(name).parts[1].removesuffix(".py"))
            modules.update(imported_modules(_code(name, path)))
    return tuple(sorted(modules - own))


def _code(name: str, path: Path) -> Sequence[Cell]:
    if _is_notebook(name):
        cells, _ = parse_cells(read_text(path))
        return [without_magic(cell) for cell in cells if not cell.markdown]
    if path.suffix != ".py":
        return ()
    return (Cell(path.stem, path.read_text(errors="replace")),)  # imports are found in any encoding


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files and links below a folder; links are not followed."""
    for path in folder.iterdir():
        if path.name in NOT_COPIED:
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
        else:
            yield path


def _place(path: Path) -> str | None:
    """Return where a file of the folder is in the copy, both relative; None: it is not copied."""
    match path.parts:
        case (str(name),) if name in NOT_MEASURING:
            return None
        case (str(part), str(audit), *rest) if (part, audit) == (HIDDEN_FOLDER, AUDIT_FOLDER):
            return PurePosixPath(AUDIT_FOLDER, *rest).as_posix() if rest else None
        case (str(part), *_) if part in (DATA_FOLDER, HIDDEN_FOLDER):
            return path.as_posix()
    return PurePosixPath(MEASURE_FOLDER, path).as_posix()


def _in_folder(place: str) -> str:
    """Return where a hidden file of the copy is in the folder."""
    return place if _part(place) == HIDDEN_FOLDER else f"{HIDDEN_FOLDER}/{place}"


def _check_plain(path: Path, source: Path, folder: str) -> None:
    """Refuse a link out of its part of the folder: from data/ it could lead into hidden/."""
    name = f"{folder}/{path.relative_to(source).as_posix()}"
    if path.is_symlink() and path.exists():
        to, part = path.resolve(), _place(path.relative_to(source))
        inside = to.is_relative_to(source.resolve())
        there = _place(to.relative_to(source.resolve())) if inside else None
        if to.is_dir() or not there or not part or _part(there) != _part(part):
            raise InputError(
                f"{name} is a link to {to}; copy what it links to: links may lead only to files "
                f"of the same part of {folder} (data, hidden, hidden/audit, the rest)"
            )
    if not path.is_file():
        raise InputError(f"{name} is no plain file, or a link to nothing; remove it")


def _part(place: str) -> str:
    return PurePosixPath(place).parts[0]


def _info(task_toml: TaskFile, files: Files) -> TaskInfo:
    """Return the TaskInfo of the copy: digests of its files, and the settings of task.toml."""
    data = {name: path for name, path in files.items() if _part(name) == DATA_FOLDER}
    rest = {name: path for name, path in files.items() if _part(name) != DATA_FOLDER}
    task = task_toml.task
    measuring = _Measuring(task.metrics, task.trusted, task_toml.command, task_toml.checks)
    whole = hashlib.sha256(codec.compact(measuring) + _digest(rest).encode())
    return TaskInfo(
        task=task,
        data=_digest(data),
        measurement=whole.hexdigest()[:12],
        about=task_toml.about,
        command=task_toml.command,
        checks=task_toml.checks,
        measure_seconds=task_toml.measure_seconds,
        measure_memory_mb=task_toml.measure_memory_mb,
        submission_seconds=task_toml.submission_seconds,
        packages=packages_of(files),
        sees=task_toml.sees,
        hides=task_toml.hides,
        audited=any(_part(name) == AUDIT_FOLDER for name in files),
    )


def _digest(files: Files) -> str:
    """Return a digest of names and contents, in short hex."""
    whole = hashlib.sha256()
    for name, path in files.items():
        bare = _is_notebook(name)
        content = hashlib.sha256(_bare(path)).hexdigest() if bare else _content(path)
        whole.update(f"{content} {name}\n".encode())
    return whole.hexdigest()[:12]


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_notebook(name: str) -> bool:
    return name == f"{MEASURE_FOLDER}/{MEASURE_NOTEBOOK}"


def _bare(notebook: Path) -> bytes:
    """Return a notebook without outputs, which it gets when it is tried out by hand."""
    cells, kernel = parse_cells(read_text(notebook))
    named = (cell if cell.name else replace(cell, name=f"cell-{n}") for n, cell in enumerate(cells))
    return write_cells(tuple(named), kernel).encode()


def _copy(info: TaskInfo, files: Files, target: Path) -> None:
    """Make the copy beside its final place, check that it is what was digested, and move it."""
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        for name in PARTS:
            if name != AUDIT_FOLDER or info.audited:
                (part / name).mkdir(parents=True)
        for name, path in files.items():
            _copy_file(name, path, part / name)
        (part / INFO_FILE).write_bytes(codec.encode(info))
        came = {name: part / name for name in files}
        now = _info(TaskFile(info.task, command=info.command, checks=info.checks), came)
        if now.digest != info.digest:
            raise InputError(f"{info.task.folder} changed while it was copied; start again")
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _copy_file(name: str, source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if _is_notebook(name):
        target.write_bytes(_bare(source))
    else:
        shutil.copyfile(source, target)
        shutil.copymode(source, target)  # a command may be a program
