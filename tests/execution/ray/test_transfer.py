"""Folders come to a node once, whole, or not at all."""

import os
import shutil
import threading
from collections import namedtuple
from pathlib import Path

import pytest

from autoresearch_kit.execution.ray import node, transfer
from autoresearch_kit.execution.ray.transfer import Store, TransferError, describe_folder, pieces
from autoresearch_kit.tasks.measured import layout


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(transfer, "PIECES_BYTES", 1000)
    folder = tmp_path / "source"
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "tokens").write_bytes(bytes(range(250)) * 14)
    (folder / "code.py").write_text("x = 1\n")
    (folder / "empty").touch()
    return folder


def test_a_folder_arrives_whole_and_compiled(tmp_path: Path, source: Path) -> None:
    store, sent = Store(tmp_path / "cache"), describe_folder("kit", source)
    assert store.begin(sent)
    for some in pieces(source):
        assert sum(len(data) for _, data in some) < 2000
        store.take(sent, some)
    store.end(sent)
    there = store.folder(sent)
    assert transfer.digest(there) == sent.digest
    assert list(there.glob("__pycache__/code.*.pyc"))
    assert not store.begin(sent)


def test_scripts_and_programs_arrive_as_such(tmp_path: Path, source: Path) -> None:
    for name, start in (("script", b"#!/bin/sh\n"), ("program", b"\x7fELF..")):
        (source / name).write_bytes(start)
    store, sent = Store(tmp_path / "cache"), describe_folder("data", source)
    store.begin(sent)
    for some in pieces(source):
        store.take(sent, some)
    store.end(sent)
    files = (path for path in store.folder(sent).iterdir() if path.is_file())
    assert {path.name for path in files if os.access(path, os.X_OK)} == {"script", "program"}


def test_a_task_has_its_empty_parts_on_a_node(tmp_path: Path) -> None:
    for part in (layout.DATA_FOLDER, layout.HIDDEN_FOLDER):
        (tmp_path / "task" / part).mkdir(parents=True)
    (tmp_path / "task" / layout.INFO_FILE).write_text("{}")
    store, sent = Store(tmp_path / "cache"), describe_folder("task", tmp_path / "task")
    assert store.begin(sent)
    for some in pieces(tmp_path / "task"):
        store.take(sent, some)
    store.end(sent)
    node.make_parts(store.folder(sent))
    assert sorted(path.name for path in store.folder(sent).iterdir()) == [
        layout.DATA_FOLDER, layout.HIDDEN_FOLDER, layout.INFO_FILE,
    ]  # fmt: skip


def test_a_damaged_folder_is_refused(tmp_path: Path, source: Path) -> None:
    store, sent = Store(tmp_path / "cache"), describe_folder("kit", source)
    store.begin(sent)
    store.take(sent, [("code.py", b"y = 1\n")])
    with pytest.raises(TransferError, match="came damaged"):
        store.end(sent)
    assert not store.folder(sent).exists()


def test_a_folder_too_large_for_the_disk_is_refused(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1000))
    with pytest.raises(TransferError, match=r"0\.0 GB free, and .* needs 1\.0 GB; free some space"):
        Store(tmp_path / "cache").begin(describe_folder("data", source))


def test_a_second_slot_waits_for_what_the_first_brings(tmp_path: Path, source: Path) -> None:
    first, second = Store(tmp_path / "cache"), Store(tmp_path / "cache")
    sent, answers = describe_folder("kit", source), list[bool]()
    assert first.begin(sent)
    waiting = threading.Thread(target=lambda: answers.append(second.begin(sent)))
    waiting.start()
    for some in pieces(source):
        first.take(sent, some)
    assert not answers
    first.end(sent)
    waiting.join()
    assert answers == [False]
