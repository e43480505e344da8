"""kill -9 of the campaign process while a real run is under way; then `run` again.

test_every_step has all steps that the campaign's process takes by itself.
"""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from autoresearch_kit.campaign.settings import settle
from autoresearch_kit.campaign.start import spawn
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Limits
from tests.campaign import tiny
from tests.campaign.test_campaign import left_running
from tests.campaign.waiting import ended, wait_for

TRAINING, SCORING = "work/metrics.jsonl", "judge.json"
"""Files of a run that are there once its kernel trains, and once the judge is at work."""


@pytest.mark.slow
def test_a_kill_while_other_processes_live_costs_nothing(project: Path, corpus: Path) -> None:
    workspace = Workspace(project, "night")

    def start() -> subprocess.Popen[bytes]:
        settings = settle(project, "night", tiny.options(corpus))
        return spawn(workspace, settings, Limits(experiments=0))

    for file in (TRAINING, SCORING):

        def seen(workspace: Workspace, file: str = file) -> bool:
            with suppress(FileNotFoundError):  # a run's folder goes while it is looked into
                return any(workspace.runs.glob(f"*/{file}"))
            return False

        process = start()
        wait_for(seen, workspace, process)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert ended(workspace, start()) == 0, workspace.log.read_text()
    assert [experiment.number for experiment in History(project, "night").experiments()] == [0]
    assert left_running(project) == []
    assert list(workspace.runs.iterdir()) == []
    folders = [workspace.runs / f"run-{number}" for number in (1, 2, 3)]
    assert not any(reap.socket_folder(workspace.run_id(folder)).exists() for folder in folders)
    assert list((project / ".git").rglob("*.lock")) == []
    assert list((project / ".git" / "autoresearch" / "night").iterdir()) == []
    assert tiny.git(project, "status", "--porcelain") == ""
