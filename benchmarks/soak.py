"""A campaign to which everything happens: crashes, hangs, floods, kill -9 of each of its processes.

`PYTHONPATH=. python benchmarks/soak.py [--experiments 300] [--seed 0] [--seconds 2]`, in the
checkout. A scripted model on loopback proposes a tiny notebook's constants, among them which fault
it shall have; from outside, processes are killed: campaign, runner, kernel, judge, predictor. The
campaign is started again whenever it is gone. In the end a table says what held; the exit status is
1 if something did not.

Which fault and which kill an experiment gets depends on the seed and its number alone. The campaign
process itself is killed during the first third only (in a soak of fewer than 36 experiments: all
along, and memory is not judged). Growth is measured in the process that lived longest: the median
of its resident memory in its last ten experiments against that of ten earlier ones. Its first ten
are left out, and those before number 30: it was seen to grow once by 5 of 80 MB until then, and to
stay as it was afterwards; what is loaded then was not traced.
Open files: the fewest that it had in these.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil
from faulty import CAMPAIGN, CELLS, Plan

from autoresearch_kit.campaign import start
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.processes.child import last_line
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Limits, Settings
from autoresearch_kit.researchers import Model
from autoresearch_kit.researchers.spending import Meter
from tests.campaign import scripted, tiny
from tests.researchers.llm.server import ChatServer

TAG = "night"
VICTIMS = {
    "runner": "autoresearch_kit.execution.runner.runner",
    "kernel": "ipykernel_launcher",
    "judge": "autoresearch_kit.execution.judge.judge",
    "predictor": "autoresearch_kit.execution.judge.predictor",
}

LOOK_SECONDS = 0.2
TEN, LEAST = 10, 5
WARM_UP = 30
"""The number of the experiment before which growth is none."""

MOST_FAILURES = 5
"""Ends of a campaign that nobody killed, before the soak is over, that are let pass."""

MOST_GROWTH = 0.05
MOST_KB = 60


@dataclass
class Life:
    """Resources of a campaign process, by the experiment under way: MB, and open files."""

    memory: dict[int, list[float]] = field(default_factory=dict)
    files: dict[int, list[int]] = field(default_factory=dict)

    def look(self, process: psutil.Process, number: int) -> None:
        """Measure now, unless it has just died."""
        if process.status() == psutil.STATUS_ZOMBIE:
            return
        self.memory.setdefault(number, []).append(process.memory_info().rss / 1e6)
        self.files.setdefault(number, []).append(process.num_fds())

    def numbers(self) -> tuple[list[int], list[int]]:
        """Return ten experiments after the warm-up, and the last ten; fewer of a short life."""
        warm = [number for number in sorted(self.memory)[TEN:] if number >= WARM_UP]
        some = min(TEN, len(warm) // 2)
        return warm[:some], warm[len(warm) - some :]

    def megabytes(self, numbers: list[int]) -> float:
        """Return the median megabytes in these experiments."""
        return median(value for number in numbers for value in self.memory[number])

    def fewest_files(self, numbers: list[int]) -> int:
        """Return the fewest open files in these experiments."""
        return min(value for number in numbers for value in self.files[number])


class Soak:
    """One campaign, in a folder of its own that goes afterwards."""

    def __init__(self, plan: Plan, folder: Path, settings: Settings, model: Model) -> None:
        self.plan, self.settings, self.model = plan, settings, model
        self.folder = folder
        self.place = Workspace(folder / "project", TAG)
        self.history = History(self.place.root, TAG)
        self.lives: list[Life] = []
        self.killed: Counter[str] = Counter()
        self.starts = 0
        self._done: set[int] = set()
        self._due: float | None = None
        self._shown = -1
        self._begun = time.monotonic()

    def run(self) -> None:
        """To its end, starting it as often as that takes."""
        limits = Limits(experiments=self.plan.experiments)
        while self.starts - self.killed[CAMPAIGN] <= MOST_FAILURES:
            process = start.spawn(self.place, self.settings, limits, self.model)
            self.starts += 1
            self.lives.append(Life())
            try:
                while process.poll() is None:
                    time.sleep(LOOK_SECONDS)
                    self._look(process)
            finally:
                process.kill()  # its runs know that it is gone, and end
            if process.returncode == 0:
                return
            print("gone:", last_line(self.place.log), flush=True)

    def _look(self, process: subprocess.Popen[bytes]) -> None:
        state = self.place.state()
        if state is None or state.pid != process.pid:
            return
        try:
            campaign = psutil.Process(process.pid)
            self.lives[-1].look(campaign, state.number)
            self._kill(campaign, state.number)
        except psutil.Error:  # it has just ended
            return
        if state.number != self._shown:
            self._shown = state.number
            self._show(state.number)

    def _show(self, number: int) -> None:
        life, minutes = self.lives[-1], (time.monotonic() - self._begun) / 60
        if number not in life.memory:
            return
        print(
            f"{minutes:6.1f} min  {number:4d}  {self.plan.fault(number):9s}"
            f"{self.plan.victim(number):10s} {life.memory[number][-1]:4.0f} MB "
            f"{life.files[number][-1]:3d} files  start {self.starts}",
            flush=True,
        )

    def _kill(self, campaign: psutil.Process, number: int) -> None:
        """Kill the experiment's victim, a moment after it is seen first; once."""
        who = self.plan.victim(number)
        if not who or number in self._done:
            return
        victims = [campaign] if who == CAMPAIGN else list(_descendants(campaign, VICTIMS[who]))
        if not victims:
            self._due = None
        elif self._due is None:
            self._due = time.monotonic() + self.plan.delay(number)
        elif time.monotonic() > self._due:
            victims[-1].kill()
            self.killed[who] += 1
            self._done.add(number)
            self._due = None


def _descendants(campaign: psutil.Process, module: str) -> Iterator[psutil.Process]:
    for process in campaign.children(recursive=True):
        try:
            if module in process.cmdline():
                yield process
        except psutil.Error:
            continue


def left_behind(soak: Soak) -> list[str]:
    """Return processes, sockets and files that should not be there any more."""
    root, place = soak.place.root, soak.place
    found = [f"process {one.pid}: {' '.join(one.cmdline())[:80]}" for one in _orphans(root)]
    attempts = range(1, 9)
    runs = [place.runs / f"{n:04d}-{a}" for n in range(soak.plan.experiments + 1) for a in attempts]
    sockets = [reap.socket_folder(place.run_id(run)) for run in runs]
    files = [path for path in sockets if path.exists()]
    files += [*place.runs.iterdir(), *(root / ".git" / "autoresearch" / TAG).glob("*")]
    files += [*root.rglob("*.part"), *root.rglob("*.damaged"), *(root / ".git").rglob("*.lock")]
    files += [*(soak.folder / "tmp").iterdir()]
    return found + [str(path) for path in files]


def _orphans(root: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.environ().get("PYTHONPATH", "")]
        except psutil.Error:
            continue
        if process.pid != os.getpid() and (str(root) in " ".join(words) or words[1:2] == ["86399"]):
            yield process


def checks(soak: Soak, asked: int) -> Iterator[tuple[str, str, bool]]:
    """Return the checks: name, figure, and whether it is as it must be."""
    root, total = soak.place.root, soak.plan.experiments
    experiments = soak.history.experiments()
    right = [one.number for one in experiments] == list(range(total + 1))
    yield "experiments after the baseline", f"{len(experiments) - 1} of {total}", right
    reasons = Counter(str(one.reason) for one in experiments[1:])
    yield "ended as", ", ".join(f"{n} {why}" for why, n in reasons.most_common()), True
    kills = ", ".join(f"{n} {who}" for who, n in soak.killed.most_common())
    yield "killed", f"{kills}; campaign started {soak.starts} times", bool(soak.killed)
    counted = Meter(soak.place.usage).total(experiments).requests
    yield "requests to the model", f"{counted} counted, {asked} made", 0 < counted <= asked
    longest = max(soak.lives, key=lambda life: len(life.memory))
    yield from _growth(longest)
    left = left_behind(soak)
    yield "left behind", "; ".join(left) or "nothing", not left
    fsck = subprocess.run(
        ["git", "fsck", "--full", "--strict", "--no-dangling"], cwd=root, capture_output=True
    )
    complaint = (fsck.stdout + fsck.stderr).decode().strip()
    yield "git fsck", complaint or "clean", fsck.returncode == 0 and not complaint
    loose = _kilobytes(root) / max(1, len(experiments))
    tiny.git(root, "gc", "--quiet")
    packed = _kilobytes(root) / max(1, len(experiments))
    yield "disk an experiment", f"{packed:.1f} KB packed, {loose:.1f} before", packed <= MOST_KB


def _growth(life: Life) -> Iterator[tuple[str, str, bool]]:
    early, late = life.numbers()
    if len(early) < LEAST:
        yield "memory", "not judged: no process lived long enough after its warm-up", True
        return
    before, after = life.megabytes(early), life.megabytes(late)
    growth = after / before - 1
    over = f"over experiments {early[0]} to {late[-1]}"
    yield "memory", f"{before:.1f} to {after:.1f} MB, {growth:+.1%}, {over}", growth < MOST_GROWTH
    files = life.fewest_files(early), life.fewest_files(late)
    yield "open files", f"{files[0]} to {files[1]}", files[1] <= files[0]


def _kilobytes(root: Path) -> float:
    lines = tiny.git(root, "count-objects", "-v").splitlines()
    sizes = dict(line.split(": ") for line in lines)
    return (int(sizes["size-pack"]) + int(sizes["size"])) * 1.024


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--experiments", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    plan = Plan(options.experiments, options.seed)
    with tempfile.TemporaryDirectory(prefix="soak-") as name, ChatServer(plan.script) as server:
        folder = Path(name)
        for part in ("tmp", "data"):
            (folder / part).mkdir()
        os.environ |= {"TMPDIR": str(folder / "tmp"), "AUTORESEARCH_DATA": str(folder / "data")}
        tiny.make_project(folder / "project", **CELLS)
        corpus = tiny.write_corpus(folder / "habits.txt")
        settings = Settings(
            str(corpus), options.seconds, 60.0, 6.0, 1500.0, "llm", "as-is", max_elsewhere=1.0
        )
        soak = Soak(plan, folder, settings, scripted.model(server, optuna_every=5))
        soak.run()
        found = list(checks(soak, len(server.requests)))
        if not all(right for *_, right in found):
            print(soak.place.log.read_text(errors="replace")[-6000:])
    print(f"\n{(time.monotonic() - soak._begun) / 60:.0f} minutes\n")
    for measured, figure, right in found:
        print(f"{'ok ' if right else 'BAD'}  {measured:32s} {figure}")
    return 0 if all(right for *_, right in found) else 1


if __name__ == "__main__":
    sys.exit(main())
