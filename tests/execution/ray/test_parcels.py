"""Folders come to a node once, whole, or not at all."""

import os
import shutil
import threading
from collections import namedtuple
from pathlib import Path

import pytest

from autoresearch_kit.execution.ray import node, parcels
from autoresearch_kit.execution.ray.parcels import ParcelError, Store, parcel_of, pieces
from autoresearch_kit.tasks.measured import layout


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(parcels, "PIECES_BYTES", 1000)
    folder = tmp_path / "source"
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "tokens").write_bytes(bytes(range(250)) * 14)
    (folder / "code.py").write_text("x = 1\n")
    (folder / "empty").touch()
    return folder


def test_a_folder_arrives_whole_and_compiled(tmp_path: Path, source: Path) -> None:
    store, parcel = Store(tmp_path / "cache"), parcel_of("kit", source)
    assert store.begin(parcel)
    for some in pieces(source):
        assert sum(len(data) for _, data in some) < 2000
        store.take(parcel, some)
    store.end(parcel)
    there = store.folder(parcel)
    assert parcels.digest(there) == parcel.digest
    assert list(there.glob("__pycache__/code.*.pyc"))
    assert not store.begin(parcel)


def test_scripts_and_programs_arrive_as_such(tmp_path: Path, source: Path) -> None:
    for name, start in (("script", b"#!/bin/sh\n"), ("program", b"\x7fELF..")):
        (source / name).write_bytes(start)
    store, parcel = Store(tmp_path / "cache"), parcel_of("data", source)
    store.begin(parcel)
    for some in pieces(source):
        store.take(parcel, some)
    store.end(parcel)
    files = (path for path in store.folder(parcel).iterdir() if path.is_file())
    assert {path.name for path in files if os.access(path, os.X_OK)} == {"script", "program"}


def test_a_task_has_its_empty_parts_on_a_node(tmp_path: Path) -> None:
    for part in (layout.DATA_FOLDER, layout.HIDDEN_FOLDER):
        (tmp_path / "task" / part).mkdir(parents=True)
    (tmp_path / "task" / layout.INFO_FILE).write_text("{}")
    store, parcel = Store(tmp_path / "cache"), parcel_of("task", tmp_path / "task")
    assert store.begin(parcel)
    for some in pieces(tmp_path / "task"):
        store.take(parcel, some)
    store.end(parcel)
    node.make_parts(store.folder(parcel))
    assert sorted(path.name for path in store.folder(parcel).iterdir()) == [
        layout.DATA_FOLDER, layout.HIDDEN_FOLDER, layout.INFO_FILE,
    ]  # fmt: skip


def test_a_damaged_folder_is_refused(tmp_path: Path, source: Path) -> None:
    store, parcel = Store(tmp_path / "cache"), parcel_of("kit", source)
    store.begin(parcel)
    store.take(parcel, [("code.py", b"y = 1\n")])
    with pytest.raises(ParcelError, match="came damaged"):
        store.end(parcel)
    assert not store.folder(parcel).exists()


def test_a_folder_too_large_for_the_disk_is_refused(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1000))
    with pytest.raises(ParcelError, match=r"0\.0 GB free, and .* needs 1\.0 GB; free some space"):
        Store(tmp_path / "cache").begin(parcel_of("data", source))


def test_a_second_slot_waits_for_what_the_first_brings(tmp_path: Path, source: Path) -> None:
    first, second = Store(tmp_path / "cache"), Store(tmp_path / "cache")
    parcel, answers = parcel_of("kit", source), list[bool]()
    assert first.begin(parcel)
    waiting = threading.Thread(target=lambda: answers.append(second.begin(parcel)))
    waiting.start()
    for some in pieces(source):
        first.take(parcel, some)
    assert not answers
    first.end(parcel)
    waiting.join()
    assert answers == [False]
