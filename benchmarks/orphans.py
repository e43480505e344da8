"""Measure how often a kernel, or a predictor, outlives its runner (its judge) and the campaign.

    PYTHONPATH=. python benchmarks/orphans.py [TRIES]

In each try a runner, or a judge, is started, and it, its parent or both are killed at a random
moment after the sandbox's first process is there. Prints how many tries left a process a second
later, how many for good, until the next start in that place, and how many after that.
"""

import itertools
import math
import random
import sys
import tempfile
import time
import uuid
from pathlib import Path

from autoresearch_kit.execution.sandbox import bubblewrap
from tests.execution import orphans
from tests.execution.notebooks import make_spec, notebook

TRIES = 50

LATEST = 0.06
"""Seconds after which bubblewrap has set a sandbox up."""

SOON = 1.0
"""Seconds: Python has to start before it can look at a pipe, which takes longer on busy cores."""

FOR_GOOD = 20.0
"""Seconds after which what is left does not end by itself."""


def attempt(what: str, killed: str, seconds: float) -> tuple[float, int]:
    """Return for how long a process was left, and how many are after the next start."""
    with tempfile.TemporaryDirectory() as folder:
        run_id = f"orphans-{uuid.uuid4()}"
        spec = make_spec(Path(folder), notebook(""), sandbox=bubblewrap.level(), run_id=run_id)
        orphans.kill_in_set_up(spec, what, seconds, killed)
        begun = time.monotonic()
        left = orphans.left(spec, FOR_GOOD)
        lived = math.inf if left else time.monotonic() - begun
        orphans.next_start(spec)
        return lived, len(orphans.left(spec, 0.0))


def main() -> None:
    """Print the sums of each kind of kill."""
    tries = int(sys.argv[1]) if len(sys.argv) > 1 else TRIES
    for what, killed in itertools.product(orphans.STARTS, orphans.KILLED):
        done = [attempt(what, killed, random.uniform(0.0, LATEST)) for _ in range(tries)]
        lived = [seconds for seconds, _ in done]
        print(
            f"{what}, {killed} killed, {tries} tries: "
            f"{sum(seconds > SOON for seconds in lived)} left a process after {SOON:g} s, "
            f"{lived.count(math.inf)} for good, {sum(left > 0 for _, left in done)} after the next "
            f"start; at most {max(lived):.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
