"""kill -9 of the campaign process, anywhere; then `run` again."""

import contextlib
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from autoresearch_kit.campaign.options import settle
from autoresearch_kit.campaign.start import spawn
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Limits, Stage
from tests.campaign import test_every_step, tiny
from tests.campaign.moments import Seen, ended, wait_for
from tests.campaign.test_campaign import left_running

pytestmark = pytest.mark.slow

EXPERIMENTS = 1


def stage_is(stage: Stage) -> Seen:
    def seen(workspace: Workspace) -> bool:
        state = workspace.state()
        return state is not None and state.stage is stage

    return seen


def run_file(pattern: str) -> Seen:
    def seen(workspace: Workspace) -> bool:
        with contextlib.suppress(FileNotFoundError):  # a run's folder goes while it is looked into
            return any(workspace.runs.glob(f"*/{pattern}"))
        return False

    return seen


FILES: dict[str, Seen] = {
    "at the start": stage_is(Stage.STARTING),
    "with the runner started": run_file("live.json"),
    "with the kernel training": run_file("work/metrics.jsonl"),
    "with the judge at work": run_file("judge.json"),
}
"""Moments at which other processes live; test_every_step has all steps of the campaign's own."""

COMMANDS = ("hash-object", "commit-tree", "update-ref")
"""Moments inside the recording: git itself kills the campaign when it is asked for these."""


def killer_git(folder: Path, command: str) -> Path:
    """A `git` that kills its caller, once, when asked for `command`."""
    folder.mkdir()
    script = folder / "git"
    real = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout
    script.write_text(
        f'#!/bin/sh\ncase " $* " in *" {command} "*)\n'
        f"  if mkdir {folder}/used 2>/dev/null; then kill -9 $PPID; exit 1; fi;;\nesac\n"
        f'exec {real.strip()} "$@"\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return folder


def start(project: Path, corpus: Path) -> tuple[Workspace, subprocess.Popen[bytes]]:
    workspace = Workspace(project, "night")
    settings = settle(project, "night", tiny.wishes(corpus))
    return workspace, spawn(workspace, settings, Limits(experiments=EXPERIMENTS))


def socket_folders(workspace: Workspace) -> list[Path]:
    """Where the runs of the campaign had their sockets."""
    folders = [workspace.runs / f"run-{number}" for number in range(1, 3 * EXPERIMENTS)]
    return [reap.socket_folder(workspace.run_id(folder)) for folder in folders]


def check_whole(project: Path, corpus: Path) -> None:
    """After `run` again: no experiment lost, none twice, no lock, no process, no folder left."""
    workspace, process = start(project, corpus)
    assert ended(workspace, process) == 0, workspace.log.read_text()
    numbers = [one.number for one in History(project, "night").experiments()]
    assert numbers == list(range(EXPERIMENTS + 1))
    assert left_running(project) == []
    assert list(workspace.runs.iterdir()) == []
    assert not [folder for folder in socket_folders(workspace) if folder.exists()]
    assert list((project / ".git").rglob("*.lock")) == []
    assert list((project / ".git" / "autoresearch" / "night").iterdir()) == []
    assert tiny.git(project, "status", "--porcelain") == ""


def test_killed_while_other_processes_live(project: Path, corpus: Path) -> None:
    for seen in FILES.values():
        workspace, process = start(project, corpus)
        wait_for(seen, workspace, process)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
    check_whole(project, corpus)


RUN = """
import sys
from pathlib import Path
from tests.campaign import quick
quick.run(Path(sys.argv[1]), 1)
"""
"""A campaign of made-up runs, whose git is real."""


def test_killed_at_every_moment_of_a_recording(project: Path, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", RUN, str(project)]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    for command in COMMANDS:
        folder = killer_git(tmp_path / command, command)
        path = f"{folder}{os.pathsep}{env['PATH']}"
        done = subprocess.run(argv, env=env | {"PATH": path}, check=False)
        assert done.returncode == -signal.SIGKILL
    subprocess.run(argv, env=env, check=True)
    test_every_step.check_whole(project, 1)
