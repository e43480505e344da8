"""Wait in a process of a run until it is told to begin, and end it when its starter dies.

Its standard input is a pipe from the process that started it. One line comes when it is to begin,
then nothing more; the pipe ends when the starter is gone. A kernel gets no line.

Little is imported here: a process whose starter died lives until that is over.
"""

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def await_turn(end_others: Callable[[], object]) -> str:
    """Wait for the line that says to begin, and return it.

    If the starter dies, before that or later, `end_others` is called, and this process ends.
    """

    def end() -> None:
        end_others()
        os._exit(1)

    line = sys.stdin.buffer.readline()
    if not line:
        end()
    _call_at_end(sys.stdin.fileno(), end)
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
    _call_at_end(pipe, lambda: os._exit(1))


@contextmanager
def starter_pipe() -> Iterator[int]:
    """Yield the standard input of a process that ends within, and calls `end_with_starter`."""
    read, write = os.pipe()
    try:
        yield read
    finally:
        os.close(read)
        os.close(write)


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Import torch in here without collecting garbage, and never examine what it made.

    It makes a million objects, and next to no garbage: the collector would examine them again and
    again, for an eighth of the time that `import torch` takes.
    """
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def _call_at_end(pipe: int, call: Callable[[], object]) -> None:
    def wait() -> None:
        os.read(pipe, 1)
        call()

    threading.Thread(target=wait, name="starter", daemon=True).start()
