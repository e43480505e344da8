"""Take turns on devices with other campaigns of this machine, whoever runs them.

A device has two locks (flock), which the operating system undoes when their holder dies: that of
the device, and that of whoever is next. Who has used a device and wants it again must be next
first, so that two who want it all the time get it in turn.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import filelock

from autoresearch_kit.errors import ExecutionError, in_words
from autoresearch_kit.files import lock

FOLDER = Path("/tmp/autoresearch-devices")  # not in $TMPDIR, which differs between users

EVERYBODY = 0o777
"""Mode of the folder; without the execution bits, of its files: other users lock them, too."""

POLL_SECONDS = 0.1

_ours = set[str]()  # devices that this process holds


@contextmanager
def held(names: Sequence[str], waits: Callable[[], None]) -> Iterator[None]:
    """Hold the devices of these names in here, as soon as nobody else on this machine does.

    `waits` is called about ten times a second while somebody else does; what that raises comes out
    here, and ends the waiting.

    Raises:
        ExecutionError: a lock can't be made; the message says why.
    """
    with ExitStack() as stack:
        for name in sorted(names):  # in one order, so that nobody waits for each other
            with _taken(f"{name}.next", waits):
                stack.enter_context(_taken(name, waits))
            _ours.add(name)
            stack.callback(_ours.discard, name)
        yield


def taken_by_another(names: Sequence[str]) -> bool:
    """Return whether another process holds one of these devices."""
    return any(name not in _ours and lock.is_locked(FOLDER / name) for name in names)


@contextmanager
def _taken(name: str, waits: Callable[[], None]) -> Iterator[None]:
    try:
        _make_folder()
        file = filelock.FileLock(FOLDER / name, mode=EVERYBODY & 0o666)
        while not _try(file):
            waits()
            time.sleep(POLL_SECONDS)
    except OSError as error:
        raise ExecutionError(
            f"the lock {FOLDER / name} can't be taken: {in_words(error)}; make {FOLDER} writable "
            f"for you, or remove it"
        ) from error
    try:
        yield
    finally:
        file.release()


def _try(file: filelock.BaseFileLock) -> bool:
    try:
        file.acquire(timeout=0)
    except filelock.Timeout:
        return False
    return True


def _make_folder() -> None:
    if not FOLDER.exists():
        FOLDER.mkdir(exist_ok=True)
        FOLDER.chmod(EVERYBODY)  # whatever this user's umask
