"""How often a kernel, or a predictor, outlives its runner (its judge) and the campaign.

    PYTHONPATH=. python benchmarks/orphans.py [TRIES]

In each try a runner, or a judge, is started, and it and its parent are killed together at a random
moment after the sandbox's first process is there. Prints how many tries left a process, before the
next start in that place and after it.
"""

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


def attempt(what: str, seconds: float) -> tuple[int, int]:
    """Return the number of processes that a try left, before the next start and after it."""
    with tempfile.TemporaryDirectory() as folder:
        run_id = f"orphans-{uuid.uuid4()}"
        spec = make_spec(Path(folder), notebook(""), sandbox=bubblewrap.level(), run_id=run_id)
        orphans.kill_in_set_up(spec, what, seconds)
        before = len(orphans.left(spec, orphans.SETTLE_SECONDS))
        orphans.next_start(spec)
        return before, len(orphans.left(spec))


def main() -> None:
    """Print a line for each try that left something, and the sums."""
    tries = int(sys.argv[1]) if len(sys.argv) > 1 else TRIES
    for what in orphans.STARTS:
        before = after = 0
        for _ in range(tries):
            seconds = random.uniform(0.0, LATEST)
            first, second = attempt(what, seconds)
            if first or second:
                print(f"killed after {1000 * seconds:.1f} ms: {first} left, {second} at last")
            before += first > 0
            after += second > 0
        print(f"{what}, {tries} tries: {before} left a process, {after} after the next start")


if __name__ == "__main__":
    main()
