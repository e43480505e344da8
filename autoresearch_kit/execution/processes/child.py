"""A trusted process of a run: started, told that its turn has come, watched and ended."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.files.untrusted import read_untrusted_tail
from autoresearch_kit.records import Accelerator

LAST_WORDS = 2000
"""Bytes of a log in which its last line is looked for."""


@dataclass(frozen=True)
class Child:
    """A process that waits for its turn: see `lifeline`. All that it starts carries `run_id`."""

    process: subprocess.Popen[bytes]
    run_id: str

    def carry_out(
        self,
        turn: str,
        *,
        deadline: float,
        poll: Callable[[], None],
        poll_seconds: float,
    ) -> int | None:
        """Tell it that its turn has come; its exit status, None if it hung.

        `turn` is the line that it is told. `poll` is called until it ends; what that raises comes
        out here. `deadline` is in `time.monotonic()`. Afterwards nothing of the run lives.
        """
        try:
            self._tell(turn)
            while self.process.poll() is None and time.monotonic() < deadline:
                poll()
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(poll_seconds)
            return self.process.poll()
        finally:
            self.end()

    def end(self) -> None:
        """Kill it, and whatever carries its run's id."""
        reap.reap(self.run_id)
        self.process.communicate()

    def _tell(self, turn: str) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it died waiting: its status says how
            self.process.stdin.write(f"{turn}\n".encode())
            self.process.stdin.flush()


def start_child(
    arguments: Sequence[str],
    *,
    folder: Path,
    kit: Path,
    run_id: str,
    log: Path,
    gpu: Accelerator | None,
) -> Child:
    """Start `python -m ARGUMENTS` from the package's copy, in `folder`; it prints into `log`.

    Of all GPUs it sees `gpu` only.
    """
    with log.open("wb") as file:
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


def last_line(log: Path) -> str:
    """The last thing that a process said, for people."""
    lines = read_untrusted_tail(log, LAST_WORDS).decode(errors="replace").splitlines()
    return next((line for line in reversed(lines) if line.strip()), "it said nothing")
