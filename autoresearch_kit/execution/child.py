"""A trusted process of a run: started, watched and ended by the campaign's side."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from autoresearch_kit.execution import reap, sandbox
from autoresearch_kit.execution.untrusted import read_untrusted_tail

LAST_WORDS = 2000
"""Bytes of a log in which its last line is looked for."""


def run_child(
    arguments: Sequence[str],
    *,
    folder: Path,
    kit: Path,
    run_id: str,
    log: Path,
    deadline: float,
    poll: Callable[[], None],
    poll_seconds: float,
) -> int | None:
    """Run `python -m ARGUMENTS` from the package's copy; its exit status, None if it hung.

    It knows of its caller's death by its standard input. `poll` is called until it ends; what that
    raises comes out here. `deadline` is in `time.monotonic()`. Afterwards nothing of the run lives.
    """
    with log.open("wb") as file:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", *arguments],
            env=sandbox.environment(home=folder, kit=kit, run_id=run_id),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        while child.poll() is None and time.monotonic() < deadline:
            poll()
            with suppress(subprocess.TimeoutExpired):
                child.wait(poll_seconds)
        return child.poll()
    finally:
        reap.reap(run_id)
        child.communicate()


def last_line(log: Path) -> str:
    """The last thing that a process said, for people."""
    lines = read_untrusted_tail(log, LAST_WORDS).decode(errors="replace").splitlines()
    return next((line for line in reversed(lines) if line.strip()), "it said nothing")
