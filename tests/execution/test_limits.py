"""Limits of a run's disk, processes and GPU memory, set so low that they are soon reached."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from autoresearch_kit.execution.handover import Failure
from autoresearch_kit.execution.runner import limits
from autoresearch_kit.execution.runner.limits import GpuPeak, Limits
from autoresearch_kit.files import untrusted
from autoresearch_kit.files.untrusted import Entry
from autoresearch_kit.machine.gpu import GpuMemory
from autoresearch_kit.records import Reason
from tests.execution import odd_files

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
ALLOWED_MB = 4.0


def write(path: Path, megabytes: float) -> None:
    with path.open("wb") as file:
        file.write(os.urandom(int(megabytes * 2**20)))
        file.flush()
        os.fsync(file.fileno())


def exceeded(work: Path, *processes: psutil.Process) -> Failure | None:
    return Limits(work, work / "no sockets", ALLOWED_MB).exceeded(processes)


def test_files_larger_than_allowed_are_too_much(tmp_path: Path) -> None:
    write(tmp_path / "a", 3)
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**40)
    assert exceeded(tmp_path) is None
    write(tmp_path / "b", 3)
    assert exceeded(tmp_path) == Failure(Reason.OUT_OF_DISK, "6 MB written, 4 MB allowed")


@linux
def test_a_deleted_file_counts_while_it_is_open(tmp_path: Path) -> None:
    write(tmp_path / "gone", 6)
    with (tmp_path / "gone").open("rb"):
        (tmp_path / "gone").unlink()
        failure = exceeded(tmp_path, psutil.Process())
    assert failure == Failure(Reason.OUT_OF_DISK, "6 MB written, 4 MB allowed")


def test_displays_count_what_this_process_had_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DISPLAYS_MB", 20.0)  # far less than Python with torch has
    watched = Limits(tmp_path, tmp_path / "no sockets", ALLOWED_MB)
    assert watched.exceeded([]) is None
    displays = b"." * 64_000_000
    failure = watched.exceeded([])
    assert len(displays) == 64_000_000
    assert failure is not None
    assert failure.reason is Reason.OUT_OF_MEMORY
    assert re.fullmatch(r"it displayed more than \d\d MB at once", failure.detail)


def test_a_nearly_full_disk_allows_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FREE_SHARE", 1e-9)
    write(tmp_path / "a", 3)
    assert exceeded(tmp_path) is not None


def test_links_and_strange_files_count_little(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    write(tmp_path / "outside" / "a", 6)
    odd_files.strange(tmp_path / "work")
    (tmp_path / "work" / "*-folder").chmod(0o700)
    (tmp_path / "work" / "link").symlink_to(tmp_path / "outside")
    assert exceeded(tmp_path / "work") is None


def test_too_deep_folders_are_too_much(tmp_path: Path) -> None:
    with odd_files.deep_below(tmp_path / "deep"):
        failure = exceeded(tmp_path)
    why = "what it wrote can't be counted: folders lie more than 64 deep in each other"
    assert failure == Failure(Reason.OUT_OF_DISK, why)


def test_an_unreadable_folder_is_too_much(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0)
    if os.access(tmp_path / "a", os.R_OK):
        pytest.skip("this user may read all")
    failure = exceeded(tmp_path)
    assert failure is not None
    assert "a folder can't be read: Permission denied" in failure.detail


def test_many_files_are_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_FILES", 20)
    for number in range(30):
        (tmp_path / str(number)).touch()
    assert exceeded(tmp_path) == Failure(Reason.OUT_OF_DISK, "more than 20 files written")


def test_folders_are_listed_up_to_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_FOLDERS", 20)
    seen = []

    def listing(folder: Path) -> Iterator[Entry]:
        for entry in untrusted.entries(folder):
            seen.append(entry.path)
            yield entry

    monkeypatch.setattr(limits, "entries", listing)
    for number in range(100):
        (tmp_path / str(number)).mkdir()
    assert exceeded(tmp_path) == Failure(Reason.OUT_OF_DISK, "more than 20 folders made")
    assert len(seen) == 21


@linux
def test_many_open_files_are_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_FILES", 20)
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]
    failure = exceeded(tmp_path, psutil.Process())
    for descriptor in opened:
        os.close(descriptor)
    assert failure == Failure(Reason.OUT_OF_DISK, "more than 20 files are open")


def test_many_processes_are_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_PROCESSES", 2)
    started = [subprocess.Popen(["sleep", "1003"]) for _ in range(3)]
    failure = exceeded(tmp_path, *(psutil.Process(each.pid) for each in started))
    for process in started:
        process.kill()
        process.wait()
    assert failure == Failure(Reason.OUT_OF_PROCESSES, "3 processes, 2 allowed")


def test_many_threads_are_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_THREADS", 0)
    failure = exceeded(tmp_path, psutil.Process())
    assert failure is not None
    assert failure.detail.endswith("threads, 0 allowed")


@linux
def test_a_sudden_crowd_is_noticed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Limits(tmp_path, tmp_path, ALLOWED_MB)
    assert not watched.many_started()
    monkeypatch.setattr(limits, "MAX_PROCESSES", -1000)
    assert watched.many_started()


MB = 1_000_000
RUN, OTHER = 40, os.getpid()
"""A process of the run's; and one that is here, and not the run's."""
ABSENT = 2**22 + 1
"""More than Linux numbers processes: a number of the host's, seen from a container."""

Look = tuple[int, Mapping[int, int | None]]
"""MB in use on the GPU, and MB by process."""


def gpu_memory(used: int, processes: Mapping[int, int | None]) -> tuple[GpuMemory]:
    held = {pid: None if mb is None else mb * MB for pid, mb in processes.items()}
    return (GpuMemory("GPU-0", used * MB, 80_000 * MB, held),)


@pytest.mark.parametrize(
    ("looks", "held", "peak"),
    [
        ([(9_000, {RUN: 8_000}), (70_500, {RUN: 67_000, OTHER: 3_000})], 67_000, 67_000),
        ([(20_500, {OTHER: 20_000})], 0, 0),
        ([(9_500, {RUN: 9_000}), (500, {})], 0, 9_000),
        ([(67_400, {})], 66_900, 66_900),
        ([(67_400, {ABSENT: 66_000})], 66_900, 66_900),
        ([(67_400, {RUN: None})], 66_900, 66_900),
        ([(300, {}), (8_300, {})], 8_000, 8_000),
    ],
    ids=["beside another", "only another", "given back", "no process is named", "the host's number",
         "size unknown", "less in use than at first"],
)  # fmt: skip
def test_gpu_memory_is_the_runs_own(looks: list[Look], held: float, peak: float) -> None:
    script = iter([(500, {}), *looks])
    measured = GpuPeak(lambda: gpu_memory(*next(script)))
    measured.look(())
    assert [measured.look({RUN}) for _ in looks][-1] == held
    assert measured.mb == peak


def test_without_a_gpu_there_is_no_peak() -> None:
    peak = GpuPeak(tuple)
    assert peak.look({40}) == 0
    assert peak.mb is None
