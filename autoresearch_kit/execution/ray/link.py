"""The campaign's end of the link with the bridge: starts it, hears it, and ends it."""

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from autoresearch_kit.errors import InputError
from autoresearch_kit.execution.ray.messages import Connect, Message, from_line, to_line

BRIDGE = "autoresearch_kit.execution.ray.bridge"

END_SECONDS = 60.0  # seconds for the bridge to end what runs, once its stdin has ended


class Link:
    """A bridge that lives, or has died; `log` takes what Ray prints.

    `argv` is the bridge's command, by default that of this package.
    """

    def __init__(self, connect: Connect, log: Path, argv: Sequence[str] = ()) -> None:
        self._heard: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                argv or [sys.executable, "-P", "-m", BRIDGE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                env=os.environ | {"PYTHONPATH": str(connect.kit)} if not argv else None,
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, name="ray-bridge", daemon=True)
        self._reader.start()
        self.send(connect)

    def send(self, message: Message) -> None:
        """Send a message; to a bridge that has died, in vain."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(to_line(message))
            self.process.stdin.flush()

    def receive(self, seconds: float) -> list[Message | None]:
        """Wait for messages of the bridge and return them; None at its end."""
        heard = list[Message | None]()
        with suppress(queue.Empty):
            heard.append(self._heard.get(timeout=seconds))
            while True:
                heard.append(self._heard.get_nowait())
        return heard

    def end(self) -> None:
        """End the bridge, and all runs that it carries out."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()  # Ray ends its actors
            self.process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                try:
                    self._heard.put(from_line(line))
                except InputError:  # cut short by its death
                    break
        self._heard.put(None)
