"""Moments of a campaign that runs as a process of its own, and how to wait for one."""

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

from autoresearch_kit.workspace import Workspace

Seen = Callable[[Workspace], bool]

LOOK_SECONDS = 0.005
"""Some moments are soon over; looking without end would take a core from what is looked at."""


def wait_for(
    seen: Seen, workspace: Workspace, process: subprocess.Popen[bytes], patience: float
) -> None:
    """Until it has come; fails when the campaign ends before, or after `patience` seconds."""
    end = time.monotonic() + patience
    while not seen(workspace):
        assert time.monotonic() < end, "never seen"
        with suppress(subprocess.TimeoutExpired):
            process.wait(LOOK_SECONDS)
            raise AssertionError(workspace.log.read_text())
