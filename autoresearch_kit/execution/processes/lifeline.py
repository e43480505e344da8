"""Let a process of a run wait until it is told to begin, and end when its starter dies.

Its standard input is a pipe from the process that started it. One line comes when it is to begin,
then nothing more; the pipe ends when the starter is gone. A kernel gets no line.
"""

import os
import sys
import threading

from autoresearch_kit.execution.processes import reap


def await_turn(run_id: str) -> str:
    """Wait for the line that says to begin, and return it.

    If the starter dies, before that or later, all processes of the run are killed, this one last.
    """
    line = sys.stdin.buffer.readline()
    if not line:
        _end(run_id)
    threading.Thread(target=_wait_and_end, args=(run_id,), name="lifeline", daemon=True).start()
    return line.decode().rstrip("\n")


def end_with_starter() -> None:
    """End this process when its starter dies; to be called before any code of a notebook.

    bubblewrap's --die-with-parent asks the system for that only after it has made its processes: a
    parent that dies before leaves them running, for good
    (https://github.com/containers/bubblewrap/issues/633). Processes that this one starts read
    nothing from their standard input.
    """
    pipe = os.dup(sys.stdin.fileno())
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)

    def wait() -> None:
        os.read(pipe, 1)
        os._exit(1)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def _wait_and_end(run_id: str) -> None:
    os.read(sys.stdin.fileno(), 1)
    _end(run_id)


def _end(run_id: str) -> None:
    reap.reap(run_id)
    os._exit(1)
