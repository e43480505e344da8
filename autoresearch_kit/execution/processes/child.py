"""A trusted process of a run: start it, tell it to begin, watch it and end it."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.files.untrusted import read_untrusted_tail
from autoresearch_kit.machine.cores import pinned
from autoresearch_kit.records import Accelerator

POLL_SECONDS = 0.1

KEPT_BYTES = 4096  # bytes at the end of a process's output in which its last line is looked for


@dataclass(frozen=True)
class Child:
    """A process that waits to be told to begin (see `starter`).

    All that it starts carries `run_id`.
    """

    process: subprocess.Popen[bytes]
    run_id: str

    def carry_out(self, turn: str, *, deadline: float, poll: Callable[[], None]) -> int | None:
        """Send the line `turn` and wait for the child's end; return its status, None if it hung.

        `poll` is called about ten times a second until it ends; what that raises comes out here.
        `deadline` is in `time.monotonic()`. Afterwards no process of the run is alive.
        """
        assert self.process.stdin is not None
        try:
            with suppress(BrokenPipeError):  # it died waiting: its status says how
                self.process.stdin.write(f"{turn}\n".encode())
                self.process.stdin.flush()
            while self.process.poll() is None and time.monotonic() < deadline:
                poll()
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(POLL_SECONDS)
            return self.process.poll()
        finally:
            self.end()

    def end(self) -> None:
        """Kill the child, and every process that carries its run's id."""
        reap.reap(self.run_id)
        self.process.communicate()


def start_child(
    arguments: Sequence[str],
    *,
    folder: Path,
    kit: Path,
    run_id: str,
    log: Path,
    gpu: Accelerator | None,
    cores: Sequence[int] = (),
) -> Child:
    """Start `python -m ARGUMENTS` from the package's copy in `kit`; its output goes to `log`.

    It runs in `folder`, CUDA shows it no other GPU than `gpu`, and it is pinned to the logical
    processors `cores`, as is all that it starts; empty: to none.
    """
    with log.open("wb") as file, pinned(cores):
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", *arguments],
            env=bubblewrap.environment(
                home=folder, kit=kit, run_id=run_id, gpu=gpu, more=bubblewrap.SLEEPING_THREADS
            ),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    return Child(process, run_id)


class Drain(threading.Thread):
    """Reads a pipe until nobody can write to it any more. Give `write` to a process as stdout."""

    def __init__(self) -> None:
        super().__init__(name="drain", daemon=True)
        self._read, self.write = os.pipe()
        self._tail = b""

    def run(self) -> None:
        """Read on, and keep only the end."""
        while data := os.read(self._read, 65536):
            self._tail = (self._tail + data)[-KEPT_BYTES:]
        os.close(self._read)

    @property
    def last_line(self) -> str:
        """Return the last line that isn't empty; empty if there is none."""
        return _last_line(self._tail)


def last_line(log: Path) -> str:
    """Return the last line that a process wrote to its log."""
    return _last_line(read_untrusted_tail(log, KEPT_BYTES)) or "it said nothing"


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").splitlines()
    return next((line for line in reversed(lines) if line.strip()), "")
