"""Write the losses of a run to a file as they come, and notice a loss that has exploded."""

import json
import math
import os
import time
from pathlib import Path

LINE_SECONDS = 0.1
"""Steps faster than this share a line of the loss curve; the first and the last have their own."""

SETTLED_STEPS = 20
"""Steps in which a loss may be anything finite."""

EXPLODED = 3.0
"""Times the loss of a uniform guess, ln V over V tokens: see `why_diverged`."""


class LossCurve:
    """The loss curve of a run, in JSON lines; `uniform_loss` is that of a uniform guess."""

    def __init__(self, file: Path, uniform_loss: float | None) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._uniform = uniform_loss
        self._best = math.inf
        self._pending: dict[str, float] = {}
        self._next_line = 0.0

    def add(self, line: dict[str, float]) -> bool:
        """Add a step's line; return whether lines were written."""
        self._pending = line
        now = time.perf_counter()
        if now < self._next_line:
            return False
        self._next_line = now + LINE_SECONDS
        self.flush()
        return True

    def flush(self) -> None:
        """Write the latest line, unless that was done."""
        if self._pending:
            # a single write to the end of the file: no line is lost if the kernel dies
            os.write(self._file, json.dumps(self._pending).encode() + b"\n")
            self._pending = {}

    def why_diverged(self, step: int, loss: float) -> str:
        """Say in one line why the run should end: the loss is not finite, or it has exploded.

        A loss can have exploded only where that of a uniform guess is known: others are on any
        scale. It means, after `SETTLED_STEPS`, more than three times the loss of a uniform guess
        and twice the best so far; the second half is for losses that sum several terms.
        (karpathy/autoresearch gives up at 100 nats.)
        """
        self._best = min(self._best, loss)
        what = f"loss {loss:.4g} at step {step}"
        if not math.isfinite(loss):
            return what
        if self._uniform is None:
            return ""
        limit = max(EXPLODED * self._uniform, 2 * self._best)
        if step >= SETTLED_STEPS and loss > limit:
            return f"{what} is above {limit:.4g}: it has exploded"
        return ""
