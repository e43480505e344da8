"""Test that a training notebook finds hidden data by no path that it can guess."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autoresearch_kit.execution import handover
from autoresearch_kit.execution.runner import kernel
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.records import RunSetup
from tests.execution.judge.conftest import KIT
from tests.execution.judge.measured.prepared import prepare

SECRET = b"these rows are hidden, whoever asks"

SEARCH = """
import json, os, sys, zlib
from pathlib import Path

guesses, secret, around = json.loads(sys.argv[1]), sys.argv[2].encode(), sys.argv[3:]
roots = ["", "/proc/1/root", "/proc/self/root", f"/proc/{os.getppid()}/root", "/proc/1/cwd"]
found = [f"{root}{guess}" for root in roots for guess in guesses if os.path.exists(root + guess)]

def texts(path):
    data = path.read_bytes()[:1_000_000]
    yield data
    try:
        yield zlib.decompress(data)
    except zlib.error:
        pass

for top in around:
    for folder, _, files in os.walk(top):
        for name in files:
            try:
                if any(secret in text for text in texts(Path(folder, name))):
                    found.append(f"{folder}/{name}")
            except OSError:
                pass
for number in range(3, 64):
    try:
        found += [f"descriptor {number}"] if secret in os.pread(number, 1_000_000, 0) else []
    except OSError:
        pass
print(json.dumps(found))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a repository with a task's folder, hidden rows committed too, and a link to them."""
    project = tmp_path / "project"
    hidden = project / "mytask" / "hidden"
    hidden.mkdir(parents=True)
    (hidden / "rows.txt").write_bytes(SECRET)
    (project / "mytask" / "data").mkdir()
    (project / "mytask" / "data" / "link").symlink_to(hidden)
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=b",
                                                    "commit", "-qm", "a task"]):  # fmt: skip
        subprocess.run(["git", *command], cwd=project, check=True)
    return project


@pytest.mark.skipif(bool(bubblewrap.why_not()), reason=bubblewrap.why_not())
def test_training_finds_no_hidden_row(project: Path, tmp_path: Path) -> None:
    prepared = prepare(tmp_path / "home" / "mytask-0", audited=True)
    for part in ("hidden", "audit", "measure"):
        (prepared / part / "rows.txt").write_bytes(SECRET)
    (prepared / "data" / "link").symlink_to(prepared / "hidden")
    folder = tmp_path / "run"
    work, told = folder / handover.WORK_FOLDER, folder / handover.FROM_RUNNER_FOLDER
    for path in (work / handover.HOME_FOLDER, told, tmp_path / "sockets"):
        path.mkdir(parents=True)
    setup = RunSetup(
        run_id="hidden", folder=folder, dataset=prepared, kit=KIT, sandbox=bubblewrap.level(),
        waits=False,
    )  # fmt: skip
    around = [str(project), str(prepared), str(tmp_path), str(work), "/tmp", "/dev/shm", "/root"]
    guesses = [
        f"{project}/mytask/hidden/rows.txt", f"{project}/mytask/data/link/rows.txt",
        f"{project}/.git/HEAD", f"{prepared}/hidden", f"{prepared}/audit", f"{prepared}/measure",
        f"{prepared}/data/link/rows.txt", f"{prepared}/data/../hidden/rows.txt",
    ]  # fmt: skip
    argv = [sys.executable, "-c", SEARCH, json.dumps(guesses), SECRET.decode(), *around]
    command = kernel.command(setup, argv, tmp_path / "sockets")
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=work).stdout
    assert json.loads(found) == []
    seen = [sys.executable, "-c", f"print(open({str(prepared / 'data' / 'seen.txt')!r}).read())"]
    command = kernel.command(setup, seen, tmp_path / "sockets")
    assert subprocess.check_output(command, text=True, cwd=work) == "seen\n"


@pytest.mark.skipif(bool(bubblewrap.why_not()), reason=bubblewrap.why_not())
def test_the_search_finds_rows_where_they_are_shown(project: Path) -> None:
    """Check that the test above does not pass because it looks for nothing."""
    argv = [sys.executable, "-c", SEARCH, json.dumps([f"{project}/.git/HEAD"]), SECRET.decode()]
    found = json.loads(subprocess.check_output([*argv, str(project)], text=True))
    assert f"{project}/.git/HEAD" in found
    assert f"{project}/mytask/hidden/rows.txt" in found
    assert any("/.git/objects/" in path for path in found)
    assert np.unique(found).size == len(found)
