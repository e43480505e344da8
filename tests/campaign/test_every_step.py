"""A campaign whose disk fills up, or that is killed, at each single step it takes on the disk."""

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from autoresearch_kit.errors import KitError, in_words
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from tests.campaign import made_up_runs, tiny
from tests.campaign.faults import Kind, fault

pytestmark = pytest.mark.slow

SAID = {Kind.FULL_ONCE: "No space left on device", Kind.READ_ONLY: "Read-only file system"}
KINDS = list(SAID)
NEVER = 10**9
FIRST_STEPS = 12
"""Enough to be through the start of a campaign, up to the copy of the package."""


def check_whole(root: Path, experiments: int) -> None:
    """All experiments once, the branch at the best, nothing left lying about."""
    history = History(root, "night")
    assert [one.number for one in history.experiments()] == list(range(experiments + 1))
    best = history.best()
    assert best is not None
    assert tiny.git(root, "rev-parse", "autoresearch/night").strip() == best.code_commit
    assert tiny.git(root, "status", "--porcelain") == ""
    left = left_over(root)
    assert left == [], left


def left_over(root: Path) -> list[str]:
    """Return files and folders that only a run or a write needs; half-written objects are git's,
    and its gc's to take."""
    places = [root / ".git" / "autoresearch" / "night", Workspace(root, "night").runs]
    found = [path for place in places for path in place.glob("*")]
    found += [*root.rglob("*.part"), *(root / ".git").rglob("*.lock")]
    return [str(path.relative_to(root)) for path in found]


def try_to_run(root: Path, experiments: int) -> str:
    """Go on with the campaign; what it said if it could not."""
    try:
        made_up_runs.run(root, experiments)
    except (KitError, OSError) as error:
        return in_words(error)
    return ""


def steps_of_an_experiment(root: Path, kind: Kind) -> int:
    """Return the number of steps of a campaign process that makes one experiment."""
    with fault(kind, root, NEVER) as counted:
        made_up_runs.run(root, History(root, "night").next_number())
    return counted.steps


def test_a_failing_disk_is_told_and_costs_nothing(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each step fails in turn; the process after it goes on, until its own next step fails."""
    made_up_runs.run(project, 0)
    at, last, struck_before = 1, steps_of_an_experiment(project, Kind.FULL_ONCE), True
    while at <= last:
        kind = KINDS[at % 2]
        caplog.clear()
        with fault(kind, project, at) as struck, caplog.at_level(logging.WARNING):
            said = try_to_run(project, History(project, "night").next_number())
        if struck.struck:
            assert SAID[kind] in said + caplog.text, struck.struck
            at += 1
        else:  # little was left to do and is done now: the next experiment has all steps
            assert struck_before
        struck_before = bool(struck.struck)
    number = History(project, "night").next_number()
    made_up_runs.run(project, number)
    check_whole(project, number)


def test_a_read_only_disk_is_told_at_the_first_start(tmp_path: Path) -> None:
    root = tiny.make_project(tmp_path / "project")
    for at in range(1, FIRST_STEPS):
        with fault(Kind.READ_ONLY, root, at) as struck:
            said = try_to_run(root, 0)
        assert SAID[Kind.READ_ONLY] in said, struck.struck
    made_up_runs.run(root, 0)
    check_whole(root, 0)


KILLED_AT_EVERY_STEP = """
import os, sys
from pathlib import Path
from tests.campaign import made_up_runs, test_every_step
from tests.campaign.faults import Kind, fault
root = Path(sys.argv[1])
made_up_runs.run(root, 0)
for at in range(1, test_every_step.steps_of_an_experiment(root, Kind.KILLED) + 1):
    if not os.fork():
        with fault(Kind.KILLED, root, at):
            made_up_runs.run(root, at)
    print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_a_kill_at_any_step_costs_nothing(project: Path) -> None:
    argv = [sys.executable, "-c", KILLED_AT_EVERY_STEP, str(project)]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    ends = done.stdout.split()
    assert set(ends) == {str(-signal.SIGKILL)}
    assert len(ends) > 60
    last = History(project, "night").next_number()
    made_up_runs.run(project, last)
    check_whole(project, last)
