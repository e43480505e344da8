"""Copies a data set to another machine, where its corpus may differ or be missing.

Another Python has another standard library, so that the same command would make another data set,
and scores could not be compared: therefore the shards themselves are copied.
"""

import shutil
from dataclasses import replace
from pathlib import Path

from autoresearch_kit.errors import CorpusError
from autoresearch_kit.files.atomic import copy_atomic, write_atomic
from autoresearch_kit.records import DatasetInfo
from autoresearch_kit.records.codec import encode
from autoresearch_kit.tasks.lm.dataset import INFO_FILE, complete


def same(first: DatasetInfo, second: DatasetInfo) -> bool:
    """Return whether scores on both can be compared."""
    return all(
        getattr(first, name) == getattr(second, name)
        for name in ("corpus", "tokenizer", "packing", "context", "eval_rows")
    )


def pack(dataset: Path, folder: Path) -> None:
    """Copy the missing files of a data set into `folder`; `dataset.json` comes last.

    Raises:
        OSError: the folder is gone or full; a later call continues.
    """
    paths = [path for path in sorted(dataset.rglob("*")) if path.is_file()]
    for path in sorted(paths, key=lambda path: path.name == INFO_FILE):
        target = folder / path.relative_to(dataset)
        if not target.exists() or target.stat().st_size != path.stat().st_size:
            target.parent.mkdir(exist_ok=True, parents=True)
            copy_atomic(path, target)


def unpack(packed: Path, dataset: Path) -> DatasetInfo:
    """Copy a packed data set into its folder, unless the same data set is there.

    Raises:
        CorpusError: it is not whole, or another data set is there; the message says what to do.
        OSError: the disk is full.
    """
    info = complete(packed)
    if info is None:
        raise CorpusError(f"the data set in {packed} is not whole: it was still being copied")
    there = complete(dataset)
    if there is not None and same(there, info):
        return there
    if dataset.exists():
        raise CorpusError(
            f"another data set is in {dataset}; move it away, or restore to another place: "
            "AUTORESEARCH_DATA=FOLDER, then and for each `autoresearch run`"
        )
    return _place(packed, dataset, info)


def _place(packed: Path, dataset: Path, info: DatasetInfo) -> DatasetInfo:
    part = dataset.with_name(f".{dataset.name}.restored")
    shutil.rmtree(part, ignore_errors=True)
    dataset.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(packed, part)
    here = tuple(path for path in info.hidden if Path(path).exists())
    placed = replace(info, hidden=here, restored=True)
    write_atomic(part / INFO_FILE, encode(placed))
    part.rename(dataset)
    return placed
