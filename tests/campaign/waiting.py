"""Moments of a campaign that runs as a process of its own, and how to wait for one."""

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from autoresearch_kit.files.workspace import Workspace

Condition = Callable[[Workspace], bool]

PATIENCE = 900.0
"""Seconds after which a campaign hangs: on a machine that runs four tests at once, one of two runs
was condition to take more than 120."""

LOOK_SECONDS = 0.005
"""Some moments are soon over; looking without end would take a core from what is looked at."""


def wait_for(condition: Condition, workspace: Workspace, process: subprocess.Popen[bytes]) -> None:
    """Wait for a condition; fail, with the campaign's log, if that ends before, or hangs."""
    end = time.monotonic() + PATIENCE
    while not condition(workspace):
        if time.monotonic() > end:
            _fail(workspace, process)
        with suppress(subprocess.TimeoutExpired):
            process.wait(LOOK_SECONDS)
            raise AssertionError(workspace.log.read_text())


def ended(workspace: Workspace, process: subprocess.Popen[bytes]) -> int:
    """Return the status with which the campaign ended; fail, with its log, if it hangs."""
    try:
        return process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        _fail(workspace, process)


def _fail(workspace: Workspace, process: subprocess.Popen[bytes]) -> NoReturn:
    process.kill()  # left to run, it would fail whatever test comes next
    process.wait()
    raise AssertionError(f"it hangs:\n{workspace.log.read_text()}")
