"""Read a file only if it is a plain one, and never wait for it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.errors import KitError
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.live import Curve, read_live
from autoresearch_kit.execution.probed import read_probed
from autoresearch_kit.execution.runner.crash_report import Executed, read_executed
from autoresearch_kit.execution.runner.submission import reported, take_model
from autoresearch_kit.files.untrusted import entries, plain_file, read_if_plain
from autoresearch_kit.records import Reason, SandboxLevel
from tests.execution import odd_files
from tests.execution.notebooks import make_spec, notebook
from tests.ledger import ledger

EVERY_FILE = (
    handover.METRICS_FILE,
    handover.PROFILE_FILE,
    handover.FAILURE_FILE,
    handover.MODEL_FILE,
    handover.SUBMISSION_FILE,
)


@pytest.fixture(params=odd_files.KINDS)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Yield a run's folder where, in place of each file of the notebook, something else lies."""
    folder = tmp_path / "run"
    (folder / handover.WORK_FOLDER).mkdir(parents=True)
    handover.write_live(folder, handover.TRAINS)
    code = "import sys; from pathlib import Path; from tests.execution import odd_files\n"
    code += "for path in sys.argv[2:]: odd_files.in_place_of_a_file(Path(path), sys.argv[1])\n"
    code += "print(flush=True); input()"
    paths = [str(folder / handover.WORK_FOLDER / name) for name in EVERY_FILE]
    argv = [sys.executable, "-c", code, request.param, *paths]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, cwd=Path(__file__).parents[2]) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        yield folder
        owner.kill()


def test_only_plain_files_are_read(run: Path) -> None:
    """A leased file, a plain one otherwise, can't be opened without waiting."""
    work = run / handover.WORK_FOLDER
    curve = Curve(work / handover.METRICS_FILE)
    curve.read()
    assert curve.points == []
    assert read_live(run).point is None
    assert read_if_plain(work / handover.METRICS_FILE, 10) == b""
    assert reported(work) is None
    probed = read_probed(run, ledger.run())
    assert (probed.steps, probed.metrics) == (None, b"")
    assert read_executed(work / handover.METRICS_FILE) == Executed()


def test_only_a_plain_file_is_a_model(run: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    spec = make_spec(tmp_path / "a", notebook(""), sandbox=SandboxLevel.NONE)
    failure = take_model(replace(spec, folder=run))
    assert failure is not None
    assert failure.reason is Reason.BAD_SUBMISSION


def test_a_file_swapped_for_a_link_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Swap it at the last moment: just before it is opened."""
    path = tmp_path / "file"
    path.write_text("plain")
    opened = os.open

    def swapped(name: Path, flags: int, *, dir_fd: int | None = None) -> int:
        path.unlink()
        path.symlink_to("/etc/passwd")
        return opened(name, flags, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", swapped)
    with pytest.raises(KitError, match="file is a link"), plain_file(path):
        pass


def test_a_folder_swapped_for_a_link_is_not_entered(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "work" / name).mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").touch()
    seen = []
    for entry in entries(tmp_path / "work"):
        seen.append(entry.path)
        (tmp_path / "work" / entry.name).rmdir()
        (tmp_path / "work" / entry.name).symlink_to(tmp_path / "outside")
    assert sorted(seen) == ["a", "b"]


def test_links_are_listed_and_not_entered(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").touch()
    (tmp_path / "a" / "up").symlink_to("..")
    assert sorted(entry.path for entry in entries(tmp_path)) == ["a", "a/b", "a/b/c", "a/up"]
    with pytest.raises(KitError, match="up is no folder that can be read"):
        next(entries(tmp_path / "a" / "up"))
