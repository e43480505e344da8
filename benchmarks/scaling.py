"""Measure how a campaign scales with its slots: runs an hour, and what its own process takes.

    python benchmarks/scaling.py [--slots 1 8 64 256] [--recorded 0] [--researcher sets]

Slots sleep instead of training: so many seconds stand for 300. The loop, its verdicts, its files
and its git history are real. A slot is idle from the end of a run to the begin of its next; what
that makes of a slot's runs an hour is compared with one slot's. The campaign may begin with
experiments that are recorded already.
"""

import argparse
import multiprocessing
import resource
import subprocess
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import fmean

from sleepers import NOTEBOOK, RESEARCHERS, Sleepers, campaign

from autoresearch_kit.campaign import loop
from autoresearch_kit.campaign.background import CopiesAndNotices
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Limits

SECONDS = {1: 3.0, 8: 3.0, 64: 15.0, 256: 60.0}
"""Seconds of a run: two cores can't record more than these give."""

EXPERIMENTS_A_SLOT = 2
FEWEST = 24
"""The fewest experiments that are measured."""


@dataclass(frozen=True)
class Used:
    """The time, and CPU seconds: of this process, of the pool in it, of its children (git)."""

    at: float
    own: float
    pool: float
    children: float

    @classmethod
    def by(cls, pool: Sleepers) -> "Used":
        """Return what was used up to now."""
        mine = resource.getrusage(resource.RUSAGE_SELF)
        others = resource.getrusage(resource.RUSAGE_CHILDREN)
        return cls(
            time.monotonic(),
            mine.ru_utime + mine.ru_stime,
            pool.own_cpu,
            others.ru_utime + others.ru_stime,
        )


@dataclass(frozen=True)
class Scaled:
    """A measured campaign: milliseconds of CPU are an experiment's, memory is in MB."""

    slots: int
    seconds: float
    idle: float
    experiments: int
    a_second: float
    own_ms: float
    git_ms: float
    memory: float

    def a_slot(self) -> float:
        """Return the share of a slot's time that is in runs."""
        return self.seconds / (self.seconds + self.idle)


def measure(researcher: str, recorded: int, slots: int) -> Scaled:
    """Run a campaign on so many slots, in this process alone."""
    with tempfile.TemporaryDirectory() as name:
        root = make_project(Path(name))
        if recorded:
            go_on(root, Sleepers(1, 0.0, runs_of(root)), "sets", recorded)
        pool = Sleepers(slots, SECONDS.get(slots, 15.0), runs_of(root))
        return go_on(root, pool, researcher, max(FEWEST, EXPERIMENTS_A_SLOT * slots))


def runs_of(root: Path) -> Path:
    return Workspace(root, "night").runs


def make_project(root: Path) -> Path:
    """Make a git repository with the shipped notebook."""
    (root / "notebooks").mkdir()
    (root / "notebooks" / "train.ipynb").write_text(NOTEBOOK.read_text())
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "Begin"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    Workspace(root, "night").create()
    return root


def go_on(root: Path, pool: Sleepers, researcher: str, experiments: int) -> Scaled:
    """Record so many more experiments; what comes before all slots are busy is not measured."""
    with campaign(root, pool, RESEARCHERS[researcher](), Limits()) as parts:
        tried = loop.run(parts, CopiesAndNotices(parts.workspace))
        list(islice(tried, pool.count + 1))
        pool.idle.clear()
        before = Used.by(pool)
        list(islice(tried, experiments))
        after = Used.by(pool)
        tried.close()
    seconds, own, in_pool, git = (
        now - then for now, then in zip(astuple(after), astuple(before), strict=True)
    )
    return Scaled(
        slots=pool.count,
        seconds=pool.seconds,
        idle=fmean(pool.idle),
        experiments=len(parts.history.experiments()),
        a_second=experiments / seconds,
        own_ms=1000 * (own - in_pool) / experiments,
        git_ms=1000 * git / experiments,
        memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    )


HEAD = """\
| slots | seconds a run | idle ms a run | runs an hour, of so many times one slot's \
| experiments in the end | recorded a second | CPU ms an experiment | git's | peak MB |
|---:|---:|---:|---:|---:|---:|---:|---:|---:|"""


def row(scaled: Scaled, one: Scaled) -> str:
    """Return a row of `HEAD`, beside one slot whose runs take as long."""
    alone = scaled.seconds / (scaled.seconds + one.idle)
    cells = [
        f"{scaled.slots}",
        f"{scaled.seconds:g}",
        f"{1000 * scaled.idle:.0f}",
        f"{scaled.a_slot() / alone:.1%}",
        f"{scaled.experiments}",
        f"{scaled.a_second:.1f}",
        f"{scaled.own_ms:.0f}",
        f"{scaled.git_ms:.0f}",
        f"{scaled.memory:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--slots", type=int, nargs="+", default=[1, 8, 64, 256])
    parser.add_argument("--recorded", type=int, default=0)
    parser.add_argument("--researcher", choices=RESEARCHERS, default="sets")
    asked = parser.parse_args()
    # a process each, for its own peak memory and its own children
    spawn, counts = multiprocessing.get_context("spawn"), sorted({1, *asked.slots})
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as processes:
        print(HEAD)
        one: Scaled | None = None
        for scaled in processes.map(partial(measure, asked.researcher, asked.recorded), counts):
            one = one or scaled
            print(row(scaled, one), flush=True)


if __name__ == "__main__":
    main()
