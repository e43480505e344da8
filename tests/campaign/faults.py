"""Faults at the n-th step that this process takes on a disk, whichever step that is.

A step is a file opened to be written, a folder made, a file renamed or removed, a command started:
Python tells of each before it is done. What is not named here can't be forgotten by a test.
"""

import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
ADDING = ("os.mkdir", "os.rename")
REMOVING = ("os.remove", "os.rmdir")
STARTING = ("subprocess.Popen",)


class Kind(Enum):
    """The fault at the step. With `from`, one that is no kill happens at all later steps too."""

    FULL_ONCE = "disk full, once"
    READ_ONLY = "read-only from then on"
    KILLED = "kill -9"


@dataclass
class Fault:
    """Strikes at step number `at`, from 1; `struck` is that step, in words."""

    kind: Kind
    root: Path
    at: int
    steps: int = 0
    struck: str = ""

    def notice(self, event: str, args: tuple[object, ...]) -> None:
        """Python is about to do this."""
        if not self._counts(event, args):
            return
        self.steps += 1
        if self.steps < self.at or (self.steps > self.at and self.kind is not Kind.READ_ONLY):
            return
        self.struck = self.struck or f"{event} {args}"
        if self.kind is Kind.KILLED:
            os.kill(os.getpid(), signal.SIGKILL)
        number = errno.EROFS if self.kind is Kind.READ_ONLY else errno.ENOSPC
        raise OSError(number, os.strerror(number), str(args[0]))

    def _counts(self, event: str, args: tuple[object, ...]) -> bool:
        if event in STARTING:
            return self.kind is Kind.KILLED
        if event in REMOVING and self.kind is Kind.FULL_ONCE:
            return False
        if event not in ("open", *ADDING, *REMOVING) or not self._is_ours(args[0]):
            return False
        if event in ("os.mkdir", "open") and Path(str(args[0])).is_dir():
            return False  # it is there; or a file without a name is tried first, and then another
        return event != "open" or bool(int(str(args[2])) & WRITING)

    def _is_ours(self, path: object) -> bool:
        return isinstance(path, str | os.PathLike) and Path(path).is_relative_to(self.root)


_faults: list[Fault] = []


def _hook(event: str, args: tuple[object, ...]) -> None:
    for fault in _faults:
        fault.notice(event, args)


@contextmanager
def fault(kind: Kind, root: Path, at: int) -> Iterator[Fault]:
    """Cause the fault in here, below `root`."""
    if not _hooked:
        sys.addaudithook(_hook)  # there is no way to remove one
        _hooked.append(True)
    made = Fault(kind, root, at)
    _faults.append(made)
    try:
        yield made
    finally:
        _faults.remove(made)


_hooked: list[bool] = []
