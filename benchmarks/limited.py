"""Commands with a time limit: the whole process group goes when it is over. Needs only Python."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

GRACE_SECONDS = 15.0
"""Seconds from the request to end until the kill: a campaign is stopped meanwhile."""


@dataclass(frozen=True)
class Ended:
    """The end of some commands: `status` is the last one's, None where time ran out."""

    status: int | None
    seconds: float

    @property
    def well(self) -> bool:
        """Return whether all of them succeeded."""
        return self.status == 0

    def __str__(self) -> str:
        if self.status is None:
            return f"stopped at its limit, after {self.seconds:.0f} s"
        how = "" if self.well else f", status {self.status}"
        return f"{self.seconds:.0f} s{how}"


def run_limited(
    commands: Sequence[Sequence[str]],
    log: Path,
    seconds: float,
    environment: Mapping[str, str],
    folder: Path,
) -> Ended:
    """Run the commands until one fails or time is over; what they print goes to `log`."""
    began = time.monotonic()
    status: int | None = 0
    with log.open("wb") as file:
        for argv in commands:
            if status != 0:
                break
            left = began + seconds - time.monotonic()
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=folder,
                start_new_session=True,
            )
            status = _wait(process, left)
    return Ended(status, time.monotonic() - began)


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    """Return its status; None where it had to be ended. Nothing of its group is left."""
    try:
        return process.wait(max(0.0, seconds))
    except subprocess.TimeoutExpired:
        return None
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the whole group to end, then kill it."""
    for number, patience in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, number)
            process.wait(patience)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
