"""How often a kernel, or a predictor, outlives its runner (its judge) and the campaign.

    PYTHONPATH=. python benchmarks/orphans.py [TRIES]

In each try a runner, or a judge, is started, and it, its parent or both are killed at a random
moment after the sandbox's first process is there. Prints how many tries left a process a second
later, and how many did after the next start in that place.
"""

import itertools
import random
import sys
import tempfile
import uuid
from pathlib import Path

from autoresearch_kit.execution.sandbox import bubblewrap
from tests.execution import orphans
from tests.execution.notebooks import make_spec, notebook

TRIES = 50

LATEST = 0.06
"""Seconds after which bubblewrap has set a sandbox up."""

SETTLE_SECONDS = 1.0
"""Given to what is left to end by itself: Python has to start before it can look at a pipe."""


def attempt(what: str, killed: str, seconds: float) -> tuple[int, int]:
    """Return the number of processes that a try left, before the next start and after it."""
    with tempfile.TemporaryDirectory() as folder:
        run_id = f"orphans-{uuid.uuid4()}"
        spec = make_spec(Path(folder), notebook(""), sandbox=bubblewrap.level(), run_id=run_id)
        orphans.kill_in_set_up(spec, what, seconds, killed)
        before = len(orphans.left(spec, SETTLE_SECONDS))
        orphans.next_start(spec)
        return before, len(orphans.left(spec, 0.0))


def main() -> None:
    """Print a line for each try that left something, and the sums."""
    tries = int(sys.argv[1]) if len(sys.argv) > 1 else TRIES
    for what, killed in itertools.product(orphans.STARTS, orphans.KILLED):
        before = after = 0
        for _ in range(tries):
            seconds = random.uniform(0.0, LATEST)
            first, second = attempt(what, killed, seconds)
            if first or second:
                print(f"killed after {1000 * seconds:.1f} ms: {first} left, {second} at last")
            before += first > 0
            after += second > 0
        sums = f"{before} left a process, {after} after the next start"
        print(f"{what}, {killed} killed, {tries} tries: {sums}", flush=True)


if __name__ == "__main__":
    main()
