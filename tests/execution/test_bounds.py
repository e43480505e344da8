"""What a run may have on the disk, and how many processes; with limits that are soon reached."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from autoresearch_kit.execution.handover import Failure
from autoresearch_kit.execution.runner import bounds
from autoresearch_kit.execution.runner.bounds import Bounds
from autoresearch_kit.files import untrusted
from autoresearch_kit.files.untrusted import Entry
from autoresearch_kit.records import Reason
from tests.execution import litter

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
ALLOWED_MB = 4.0


def write(path: Path, megabytes: float) -> None:
    with path.open("wb") as file:
        file.write(os.urandom(int(megabytes * 2**20)))
        file.flush()
        os.fsync(file.fileno())


def test_more_than_allowed_on_the_disk_is_told(tmp_path: Path) -> None:
    watched = Bounds([tmp_path], ALLOWED_MB)
    write(tmp_path / "a", 3)
    assert watched.excess([]) is None
    write(tmp_path / "b", 3)
    assert watched.excess([]) == Failure(Reason.OUT_OF_DISK, "6 MB written, 4 MB allowed")


def test_holes_are_not_written(tmp_path: Path) -> None:
    watched = Bounds([tmp_path], ALLOWED_MB)
    write(tmp_path / "a", 3)
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**40)
    assert watched.excess([]) is None


@linux
def test_a_deleted_file_counts_while_it_is_open(tmp_path: Path) -> None:
    watched = Bounds([tmp_path], ALLOWED_MB)
    write(tmp_path / "gone", 6)
    with (tmp_path / "gone").open("rb"):
        (tmp_path / "gone").unlink()
        excess = watched.excess([psutil.Process()])
    assert excess == Failure(Reason.OUT_OF_DISK, "6 MB written, 4 MB allowed")


def test_a_nearly_full_disk_allows_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "FREE_SHARE", 1e-9)
    watched = Bounds([tmp_path], ALLOWED_MB)
    write(tmp_path / "a", 3)
    assert watched.excess([]) is not None


def test_files_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_FILES", 20)
    watched = Bounds([tmp_path], ALLOWED_MB)
    for number in range(30):
        write(tmp_path / str(number), 0.1)
    assert watched.excess([]) == Failure(Reason.OUT_OF_DISK, "more than 20 files written")


def test_processes_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_PROCESSES", 2)
    watched = Bounds([tmp_path], ALLOWED_MB)
    started = [subprocess.Popen(["sleep", "1003"]) for _ in range(3)]
    try:
        excess = watched.excess([psutil.Process(process.pid) for process in started])
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert excess == Failure(Reason.OUT_OF_PROCESSES, "3 processes, 2 allowed")


def test_threads_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_THREADS", 0)
    excess = Bounds([tmp_path], ALLOWED_MB).excess([psutil.Process()])
    assert excess is not None
    assert excess.detail.endswith("threads, 0 allowed")


@linux
def test_a_sudden_crowd_is_noticed_before_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Bounds([tmp_path], ALLOWED_MB)
    assert not watched.hurry()
    monkeypatch.setattr(bounds, "MAX_PROCESSES", -1000)
    assert watched.hurry()


def test_folders_too_deep_to_be_counted_are_too_much(tmp_path: Path) -> None:
    watched = Bounds([tmp_path], ALLOWED_MB)
    with litter.deep_below(tmp_path / "deep"):
        excess = watched.excess([])
    assert excess is not None
    assert excess.reason is Reason.OUT_OF_DISK
    assert excess.detail.endswith("folders lie more than 64 deep in each other")


def test_a_folder_that_can_t_be_read_is_too_much(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0)
    if os.access(tmp_path / "a", os.R_OK):
        pytest.skip("this user may read all")
    excess = Bounds([tmp_path], ALLOWED_MB).excess([])
    assert excess is not None
    assert "a folder can't be read: Permission denied" in excess.detail


def test_strange_files_are_counted(tmp_path: Path) -> None:
    watched = Bounds([tmp_path], ALLOWED_MB)
    litter.strange(tmp_path / "a")
    (tmp_path / "a" / "*-folder").chmod(0o700)
    assert watched.excess([]) is None


def test_links_lead_to_nothing_that_counts(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "work").mkdir()
    write(tmp_path / "outside" / "a", 6)
    (tmp_path / "work" / "link").symlink_to(tmp_path / "outside")
    assert Bounds([tmp_path / "work", tmp_path / "none"], ALLOWED_MB).excess([]) is None


def test_no_more_is_listed_than_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_FOLDERS", 20)
    seen = []

    def listing(folder: Path) -> Iterator[Entry]:
        for entry in untrusted.entries(folder):
            seen.append(entry.path)
            yield entry

    monkeypatch.setattr(bounds, "entries", listing)
    watched = Bounds([tmp_path], ALLOWED_MB)
    for number in range(100):
        (tmp_path / str(number)).mkdir()
    assert watched.excess([]) == Failure(Reason.OUT_OF_DISK, "more than 20 folders made")
    assert len(seen) == 21


@linux
def test_open_files_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_FILES", 20)
    watched = Bounds([tmp_path], ALLOWED_MB)
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]
    excess = watched.excess([psutil.Process()])
    for descriptor in opened:
        os.close(descriptor)
    assert excess is not None
    assert excess.detail.endswith("more than 20 files are open")
