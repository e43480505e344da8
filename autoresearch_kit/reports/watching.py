"""A campaign seen from outside, at one moment: read from git and from its folder, again and again.

What is known already is not read again, so that a look at 1,000 experiments costs what one at ten
does; of each experiment only what a table shows is kept.
"""

import re
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import psutil

from autoresearch_kit.errors import LedgerError
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.live import Curve, Point, read_live, read_points, thinned
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import Entry, History
from autoresearch_kit.machine.gpu import gpu_use
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.diff import NotebookDiff, cell_diff
from autoresearch_kit.records import (
    Experiment,
    Noise,
    Proposal,
    Request,
    Run,
    Stage,
    State,
    Usage,
    Verdict,
)
from autoresearch_kit.reports.rows import Row, by_now, row_of, to_frame
from autoresearch_kit.reports.status import dead, known_campaigns
from autoresearch_kit.researchers.spending import Meter
from autoresearch_kit.verdicts.audit import second_opinion
from autoresearch_kit.verdicts.noise import scores_of
from autoresearch_kit.verdicts.validity import as_fast

LINES = 3
"""How many troubles are told, of each kind."""

LOG_TAIL = 16_384
"""Bytes of the campaign's log that are looked at."""

_TROUBLE = re.compile(r"^(?P<when>\S+ \S+) (?:WARNING|ERROR) (?P<what>.*)$", re.M)


@dataclass(frozen=True)
class Now:
    """The experiment under way. `memory_mb` is that of all its processes; `gpu` may be empty."""

    proposal: Proposal
    stage: str
    budget: float
    curve: tuple[Point, ...]
    memory_mb: float
    gpu: str
    diff: NotebookDiff


@dataclass(frozen=True)
class Sight:
    """All that there is to see of a campaign. `time` is in seconds since the epoch.

    `campaigns` are all of the project, by what they are doing; `best_curve` is the best's;
    `warning` is that val and audit part, empty while they don't.
    """

    tag: str
    time: float
    state: State | None
    running: bool
    request: Request | None
    rows: tuple[Row, ...]
    noise: Noise | None
    warning: str
    now: Now | None
    best_curve: tuple[Point, ...]
    usage: Usage
    guidance: str
    troubles: tuple[str, ...]
    campaigns: dict[str, str]

    @property
    def best(self) -> Row | None:
        """The best so far."""
        return next((row for row in reversed(self.rows) if row.verdict is Verdict.KEEP), None)

    @property
    def dead(self) -> bool:
        """Whether its process went without a word."""
        return dead(self.state, self.running)

    def frame(self) -> pd.DataFrame:
        """What the picture of the campaign needs of each experiment."""
        return to_frame(self.rows)


class Watch:
    """Looks at campaign `tag` of the project at `root`; may be used from several threads."""

    def __init__(self, root: Path, tag: str) -> None:
        self.workspace = Workspace(root, tag)
        self.history = History(root, tag)
        self._looking = threading.Lock()
        self._rows: list[Row] = []
        self._keeps: list[Experiment] = []
        self._best_runs: list[Run] = []
        self._noise: Noise | None = None
        self._usage = Usage()
        self._best = 0
        self._best_curve: tuple[Point, ...] = ()
        self._curve = Curve(Path())
        self._diff = (Path(), NotebookDiff())

    def look(self) -> Sight:
        """The campaign as it is now."""
        with self._looking:
            return self._look()

    def _look(self) -> Sight:
        running, state = self.workspace.running(), self.workspace.state()
        self._read_new()
        return Sight(
            tag=self.workspace.tag,
            time=time.time(),
            state=state,
            running=running,
            request=self.workspace.request(),
            rows=tuple(self._rows),
            noise=self._noise,
            warning=self._warning(),
            now=self._now(state) if running and state else None,
            best_curve=self._best_curve,
            usage=self._usage + self._in_flight(),
            guidance=self.workspace.guidance(),
            troubles=tuple(self._troubles(state, running)),
            campaigns=self._campaigns(),
        )

    def _read_new(self) -> None:
        """Add the experiments that came; begin anew if those that were known are gone."""
        known = len(self._rows)
        entries = self.history.entries(max(0, known - 1))
        if known and (not entries or entries[0].code_commit != self._rows[-1].commit):
            self._rows, self._keeps, self._noise = [], [], None
            self._usage, self._best_curve = Usage(), ()
            entries = self.history.entries()
        else:
            entries = entries[min(known, 1) :]
        for entry in entries:
            self._add(entry)
        if entries:
            self._rows = by_now(self._rows, self._noise)
        if any(entry.experiment.kept for entry in entries):
            self._best_curve = self._read_best_curve()

    def _add(self, entry: Entry) -> None:
        one = entry.experiment
        if one.rerun_scores:
            best = self._keeps[-1].number
            self._best_runs = [*as_fast(self._best_runs, one.reruns), *one.reruns]
            self._rows[best] = replace(self._rows[best], scores=scores_of(self._best_runs))
        self._usage += one.usage
        self._noise = one.noise or self._noise
        if one.kept:
            self._keeps.append(one)
            self._best_runs = list(one.runs)
        self._rows.append(row_of(entry))

    def _warning(self) -> str:
        return second_opinion([replace(one, noise=self._noise) for one in self._keeps]).warning

    def _read_best_curve(self) -> tuple[Point, ...]:
        best = next(row for row in reversed(self._rows) if row.verdict is Verdict.KEEP)
        try:
            lines = self.history.file(best.number, handover.METRICS_FILE)
        except LedgerError:  # its notebook logged nothing
            return ()
        return thinned(read_points(lines))

    def _in_flight(self) -> Usage:
        return Meter(self.workspace.usage).in_flight({row.number for row in self._rows})

    def _now(self, state: State) -> Now | None:
        proposal = self.workspace.pending()
        if proposal is None or proposal.number != state.number or not state.run_folder:
            return None
        folder, settings = Path(state.run_folder), self.workspace.settings()
        return Now(
            proposal=proposal,
            stage=read_live(folder).stage if state.stage is Stage.RUNNING else state.stage,
            budget=settings.train_seconds if settings else 0.0,
            curve=self._read_curve(folder),
            memory_mb=_memory_mb(state.pid),
            gpu=gpu_use(),
            diff=self._read_diff(folder, proposal),
        )

    def _read_curve(self, folder: Path) -> tuple[Point, ...]:
        path = folder / handover.WORK_FOLDER / handover.METRICS_FILE
        if self._curve.path != path:
            self._curve = Curve(path)
        self._curve.read()
        return thinned(self._curve.points)

    def _read_diff(self, folder: Path, proposal: Proposal) -> NotebookDiff:
        source = folder / handover.INPUT_FILE
        if self._diff[0] != source and proposal.parent is not None and source.exists():
            parent = TrainNotebook.parse(self.history.source(proposal.parent))
            self._diff = (source, cell_diff(parent, TrainNotebook.read(source)))
        return self._diff[1] if self._diff[0] == source else NotebookDiff()

    def _troubles(self, state: State | None, running: bool) -> list[str]:
        crashes = [row for row in self._rows if row.verdict is Verdict.CRASH]
        told = [
            f"experiment {row.number} crashed, {row.reason}: {row.detail}"
            for row in crashes[-LINES:]
        ]
        told += self.workspace.damaged()
        told += [f"{found['when']} {found['what']}" for found in self._log_lines()][-LINES:]
        if state is not None and state.stage is Stage.FAILED and not running:
            told.append(state.message)
        return told[::-1]

    def _log_lines(self) -> list[re.Match[str]]:
        try:
            with self.workspace.log.open("rb") as log:
                log.seek(max(0, log.seek(0, 2) - LOG_TAIL))
                return list(_TROUBLE.finditer(log.read().decode(errors="replace")))
        except FileNotFoundError:
            return []

    def _campaigns(self) -> dict[str, str]:
        root = self.workspace.root
        tags = sorted({*known_campaigns(root), self.workspace.tag})
        places = {tag: Workspace(root, tag) for tag in tags}
        return {tag: _in_short(place) for tag, place in places.items()}


def _in_short(place: Workspace) -> str:
    state, running = place.state(), place.running()
    if state is None:
        return "not run here"
    if dead(state, running):
        return "died"
    return f"{state.stage}, experiment {state.number}" if running else str(state.stage)


def _memory_mb(pid: int) -> float:
    """Of the processes that a campaign started, in MB; shared pages count twice."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return 0.0
    total = 0
    for child in children:
        try:
            total += child.memory_info().rss
        except psutil.Error:  # it ended between the two looks
            continue
    return total / MEGABYTE
