"""The bridge: `python -m autoresearch_kit.execution.ray.bridge`, a driver of Ray's.

The campaign's process starts it and sends it `Connect`, then orders, on stdin; it answers on
stdout. It ends when its stdin ends. It decides nothing: which slot gets which order, and what
becomes of an order that was lost, is the pool's affair.
"""

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from autoresearch_kit.errors import KitError, in_words
from autoresearch_kit.execution.ray import hosting
from autoresearch_kit.execution.ray.joined import Unreachable, set_environment
from autoresearch_kit.execution.ray.messages import (
    BridgeBroken,
    Cancel,
    Connect,
    DevicesKnown,
    Message,
    RunOrder,
    from_line,
    to_line,
)
from autoresearch_kit.records.text import one_line

if TYPE_CHECKING:
    from autoresearch_kit.execution.ray.driver import Cluster

LOOK_SECONDS = 3.0  # between looks for nodes that came or went
WHY_LENGTH = 400  # characters of what Ray says of a failure

INSTALL = "--pool needs Ray, which is not installed: pip install 'autoresearch_kit[ray]'"


class MessageWriter:
    """Writes messages for the campaign's process, from several threads."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lock = threading.Lock()

    def say(self, message: Message) -> None:
        """Write a message; one that nobody reads any more is dropped."""
        with self._lock, contextlib.suppress(BrokenPipeError):
            self._file.write(to_line(message))
            self._file.flush()


def main() -> int:
    """Be the bridge until stdin ends; return the exit status."""
    writer = MessageWriter(_own_stdout())
    set_environment()
    lines = sys.stdin.buffer
    connect = from_line(lines.readline())
    assert isinstance(connect, Connect)
    try:
        from autoresearch_kit.execution.ray.driver import Cluster  # imports Ray

        with _address(connect) as address:
            cluster = Cluster(connect, address, writer.say)
            try:
                _serve(cluster, lines, writer)
            finally:
                cluster.close()
    except ImportError as error:
        why = INSTALL if error.name == "ray" else f"Ray can't be imported: {error}"
        writer.say(BridgeBroken(why, again=False))
    except Unreachable as error:
        writer.say(BridgeBroken(one_line(str(error), WHY_LENGTH), again=error.again))
    except (KitError, OSError) as error:
        writer.say(BridgeBroken(one_line(in_words(error), WHY_LENGTH), again=False))
    else:
        return 0
    return 1


@contextlib.contextmanager
def _address(connect: Connect) -> Iterator[str]:
    """Give the address of the cluster; start one of our own where that is asked for, and end it."""
    if connect.address == "auto":
        with hosting.own_ray(connect.node.campaign) as address:
            yield address
    else:
        yield "auto" if connect.address == "ray" else connect.address


def _serve(cluster: "Cluster", lines: BinaryIO, writer: MessageWriter) -> None:
    """Carry out what is asked, and look for devices, until `lines` end."""
    asked: queue.Queue[Message | None] = queue.Queue()

    def read() -> None:
        for line in lines:
            asked.put(from_line(line))
        asked.put(None)

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while True:
        devices, coming = cluster.look()
        writer.say(DevicesKnown(devices, coming))
        try:
            message = asked.get(timeout=LOOK_SECONDS)
            while message is not None:
                if isinstance(message, RunOrder):
                    cluster.give(message)
                elif isinstance(message, Cancel):
                    cluster.cancel(message)
                message = asked.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            continue
        return


def _own_stdout() -> BinaryIO:
    """Return stdout for messages alone: whatever else prints goes to stderr."""
    own = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(own, "wb")


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)  # not held up by threads, or by what Ray does at exit
