"""Lock a campaign: at most one process holds it, and checking whether one does takes no lock.

The holder keeps the file `holder` locked (flock), which the operating system undoes when the
process dies, however it dies. Each holder makes that file anew, so that a check, which takes a
shared lock on the old one for a moment, is in nobody's way. The lock belongs to the open file, not
to the process: a process that inherits the descriptor holds the campaign from its start.
"""

import fcntl
import os
import time
from pathlib import Path

import filelock

HOLDER = "holder"
TAKING = "lock"  # held by a process while it takes the campaign

POLL_SECONDS = 0.05


def take(folder: Path, patience: float) -> int:
    """Hold the campaign in `folder`; return the descriptor of the lock, for `release`.

    Raises:
        filelock.Timeout: another process holds it for longer than `patience` seconds.
    """
    end = time.monotonic() + patience
    with filelock.FileLock(folder / TAKING, timeout=patience):
        while is_held(folder):
            if time.monotonic() > end:
                raise filelock.Timeout(str(folder / HOLDER))
            time.sleep(POLL_SECONDS)
        return _make(folder)


def _make(folder: Path) -> int:
    """Make the holder's file, locked before anybody can see it."""
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
    """Return whether a process holds the campaign in `folder`."""
    return is_locked(folder / HOLDER)


def is_locked(path: Path) -> bool:
    """Return whether somebody keeps a file locked; one that is not there is locked by nobody."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
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
