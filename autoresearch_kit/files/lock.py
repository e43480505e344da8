"""The lock of a campaign: at most one process holds it, and looking whether one does takes nothing.

The holder has the file `holder` locked (flock), which the operating system undoes when the process
dies, however it dies. Each holder makes that file anew: whoever looks at what an earlier one left,
by a shared lock on it, is in nobody's way. The lock belongs to the open file, not to the process:
a process that is handed the descriptor holds the campaign from its first moment on.
"""

import fcntl
import os
import time
from pathlib import Path

import filelock

HOLDER = "holder"
TAKING = "lock"
"""Held by whoever is about to take the campaign, for as long as that takes."""

POLL_SECONDS = 0.05


def take(folder: Path, patience: float) -> int:
    """Hold the campaign in `folder`; returns the descriptor of the lock, for `release`.

    Raises:
        filelock.Timeout: another process holds it, for longer than `patience` seconds.
    """
    end = time.monotonic() + patience
    with filelock.FileLock(folder / TAKING, timeout=patience):
        while is_held(folder):
            if time.monotonic() > end:
                raise filelock.Timeout(str(folder / HOLDER))
            time.sleep(POLL_SECONDS)
        return _make(folder)


def _make(folder: Path) -> int:
    """Make the holder's file; it is locked before anybody can see it."""
    part = folder / f".{HOLDER}.part"
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        part.replace(folder / HOLDER)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def is_held(folder: Path) -> bool:
    """Whether a process holds the campaign in `folder`."""
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
    """Let go of the campaign. The file stays: what nobody has locked holds nothing."""
    os.close(descriptor)
