"""How a process of a run waits for its turn, and ends when whoever started it dies, however.

Its standard input is a pipe from there: one line comes, when its turn has come; then nothing, and
the pipe's end means that whoever started it is gone.
"""

import os
import sys
import threading

from autoresearch_kit.execution import reap


def await_turn(run_id: str) -> str:
    """The line that it is told when its turn has come. From then on it ends with its parent.

    Until then too: everything of the run is killed then, the caller last.
    """
    line = sys.stdin.buffer.readline()
    if not line:
        _end(run_id)
    threading.Thread(target=_wait_and_end, args=(run_id,), name="lifeline", daemon=True).start()
    return line.decode().rstrip("\n")


def _wait_and_end(run_id: str) -> None:
    os.read(sys.stdin.fileno(), 1)
    _end(run_id)


def _end(run_id: str) -> None:
    reap.reap(run_id)
    os._exit(1)
