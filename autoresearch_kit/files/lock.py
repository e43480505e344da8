"""Lock a campaign: at most one process holds it.

The holder keeps a file locked (flock), which the operating system undoes when the process dies,
however it dies. The lock belongs to the open file, not to the process: a process that inherits the
descriptor holds the campaign from its start.
"""

import fcntl
import os
import time
from pathlib import Path

HOLDER = "holder"

POLL_SECONDS = 0.05


def take(folder: Path, patience: float) -> int:
    """Hold the campaign in `folder`; return the descriptor of the lock, for `release`.

    Raises:
        TimeoutError: another process holds it for longer than `patience` seconds.
    """
    end = time.monotonic() + patience
    descriptor = os.open(folder / HOLDER, os.O_RDWR | os.O_CREAT, 0o644)
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # for a moment also while somebody asks `is_held`
            if time.monotonic() > end:
                os.close(descriptor)
                raise TimeoutError(f"{folder / HOLDER} is locked") from None
            time.sleep(POLL_SECONDS)
        else:
            return descriptor


def is_held(folder: Path) -> bool:
    """Return whether a process holds the campaign in `folder`."""
    try:
        descriptor = os.open(folder / HOLDER, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def release(descriptor: int) -> None:
    """Let go of the campaign. The file stays: without a lock it means nothing."""
    os.close(descriptor)
