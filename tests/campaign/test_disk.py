"""A real disk that is full, or becomes read-only, under a campaign; a lock that a git left."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from autoresearch_kit.errors import LedgerError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Limits, Stage
from tests.campaign import made_up_runs
from tests.campaign.test_every_step import check_whole

NAMESPACE = ["unshare", "--map-root-user", "--mount"]
"""A namespace in which anybody may mount, and which goes with its last process."""

FULL_WORDS = re.compile("No space left on device|Out of diskspace")
"""The words of the system, and of git."""

FULL = """
import subprocess, sys
from pathlib import Path
from autoresearch_kit.errors import KitError, in_words
from autoresearch_kit.records import Limits
from tests.campaign import made_up_runs, tiny
from tests.campaign.test_every_step import check_whole
disk = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", disk], check=True)
root, filler = tiny.make_project(disk / "project"), disk / "filler"
for left in range(0, 90_000, 16_384):
    done, said = len(list((root / ".git/refs").glob("autoresearch/night/*"))), ""
    with made_up_runs.made_up():
        experiments = made_up_runs.campaign_in(root, Limits(experiments=done + 1))
        next(experiments)
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                file.truncate(max(0, file.tell() - left))
        try:
            list(experiments)
        except (KitError, OSError) as error:
            said = in_words(error)
    print(said)
    filler.unlink()
made_up_runs.run(root, done + 1)
check_whole(root, done + 1)
"""

READ_ONLY = """
import os, subprocess, sys
from pathlib import Path
from autoresearch_kit.errors import KitError
from autoresearch_kit.records import Limits
from tests.campaign import made_up_runs, tiny
from tests.campaign.test_every_step import check_whole
def mount(*argv):
    subprocess.run(["mount", *argv], check=True)
root = tiny.make_project(Path(sys.argv[1]) / "project")
os.chdir("/")
for done, name in enumerate((".autoresearch", ".git", ".")):
    with made_up_runs.made_up():
        experiments = made_up_runs.campaign_in(root, Limits(experiments=done + 1))
        next(experiments)
        folder = str((root / name).resolve())
        mount("--bind", folder, folder)
        mount("-o", "remount,bind,ro", folder)
        try:
            list(experiments)
        except (KitError, OSError) as error:
            print(error)
    subprocess.run(["umount", folder], check=True)
made_up_runs.run(root, done + 1)
check_whole(root, done + 1)
"""


def in_namespace(code: str, folder: Path) -> list[str]:
    """Return the lines that `code` prints where it may mount."""
    probe = subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "none", folder], check=False)
    if probe.returncode != 0:
        pytest.skip("this machine lets nobody mount in a namespace of their own")
    argv = [*NAMESPACE, sys.executable, "-c", code, str(folder)]
    checkout = Path(__file__).parents[2]
    done = subprocess.run(argv, cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_a_full_disk_is_told_and_costs_nothing(tmp_path: Path) -> None:
    said = in_namespace(FULL, tmp_path)
    assert said[0]
    assert [line for line in said if line and not FULL_WORDS.search(line)] == []


@pytest.mark.slow
def test_a_folder_that_becomes_read_only_costs_nothing(tmp_path: Path) -> None:
    said = in_namespace(READ_ONLY, tmp_path)
    assert len(said) == 3
    assert all("Read-only file system" in line for line in said)


def test_a_folder_that_a_file_replaced_is_told(project: Path, tmp_path: Path) -> None:
    workspace = Workspace(project, "night")
    with made_up_runs.made_up():
        experiments = made_up_runs.campaign_in(project, Limits(experiments=3))
        next(experiments)
        workspace.runs.rename(tmp_path / "runs")
        workspace.runs.write_text("in the way")
        with pytest.raises(NotADirectoryError):
            list(experiments)
    state = workspace.state()
    assert state is not None
    assert state.stage is Stage.FAILED
    assert "a file lies where a folder belongs; move it away" in state.message
    workspace.runs.unlink()
    made_up_runs.run(project, 3)
    check_whole(project, 3)


def test_a_lock_left_behind_costs_nothing(project: Path) -> None:
    workspace = Workspace(project, "night")
    with made_up_runs.made_up():
        experiments = made_up_runs.campaign_in(project, Limits(experiments=2))
        next(experiments)
        lock = project / ".git" / "refs" / "autoresearch" / "night" / "0001.lock"
        lock.touch()
        with pytest.raises(LedgerError, match=r"git update-ref: .*0001\.lock"):
            list(experiments)
    [proposed] = workspace.under_way.pending()
    made_up_runs.run(project, 2)
    assert History(project, "night").experiment(1).proposal == proposed
    check_whole(project, 2)
