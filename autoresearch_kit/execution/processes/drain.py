"""Where a process's own output goes: read without end, only the last of it kept."""

import os
import threading

KEPT_BYTES = 4096


class Drain(threading.Thread):
    """Reads a pipe until nobody can write to it any more. Give `write` to a process as stdout."""

    def __init__(self) -> None:
        super().__init__(name="drain", daemon=True)
        self._read, self.write = os.pipe()
        self._tail = b""

    def run(self) -> None:
        """Reads."""
        while data := os.read(self._read, 65536):
            self._tail = (self._tail + data)[-KEPT_BYTES:]

    @property
    def last_line(self) -> str:
        """The last line that isn't empty; empty if there is none."""
        lines = self._tail.decode(errors="replace").splitlines()
        return next((line for line in reversed(lines) if line.strip()), "")
