"""Ends a process and its run when whoever started it dies, however it dies."""

import os
import sys
import threading

from autoresearch_kit.execution import reap


def end_with_parent(run_id: str) -> None:
    """Watches standard input, a pipe that the parent never writes to.

    Its end means that the parent is gone: then everything of the run is killed, the caller last.
    """
    threading.Thread(target=_wait_and_end, args=(run_id,), name="lifeline", daemon=True).start()


def _wait_and_end(run_id: str) -> None:
    os.read(sys.stdin.fileno(), 1)
    reap.reap(run_id)
    os._exit(1)
