"""A campaign at one moment, read from git and from its folder.

A reader that is asked again reads only what is new, so a look at 1,000 experiments costs as
much as a look at ten.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_kit.errors import InputError, LedgerError
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.live import Point, read_points, thinned
from autoresearch_kit.files import record_files
from autoresearch_kit.files.untrusted import read_untrusted_tail
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import Entry, History
from autoresearch_kit.records import Bound, Request, SlotUse, Stage, State, Usage, Verdict
from autoresearch_kit.reports.rows import Row, by_finish
from autoresearch_kit.reports.status import dead, words
from autoresearch_kit.reports.summary import Summary, summary_of
from autoresearch_kit.researchers.spending import Meter, per

MOST_TROUBLES = 3  # the number of crashes that are shown, and of warnings
LOG_TAIL = 16_384  # bytes at the end of the campaign's log that are searched for warnings

_TROUBLE = re.compile(r"^(?P<when>\S+ \S+) (?:WARNING|ERROR) (?P<what>.*)$", re.M)


@dataclass(frozen=True, kw_only=True)
class Reading(Summary):
    """A campaign's results, and what it is doing at `time` (seconds since the epoch).

    `usage` includes what is in flight. `request` is the last thing that a person asked of it.
    `damaged` are files of its folder that can't be read. `troubles` are recent crashes and
    warnings, the newest first. `best_curve` is the loss curve of the best.
    """

    time: float
    state: State | None
    running: bool
    request: Request | None
    damaged: tuple[str, ...]
    guidance: str
    troubles: tuple[str, ...]
    best_curve: tuple[Point, ...]

    @property
    def dead(self) -> bool:
        """Return whether the campaign's process died before it said that it ended."""
        return dead(self.state, self.running)

    @property
    def slots(self) -> tuple[SlotUse, ...]:
        """Return the use of the devices; empty while the campaign does not run."""
        return self.state.slots if self.state and self.running else ()

    def words(self) -> str:
        """Return what the campaign is doing, and the command to go on with if it died."""
        said = words(self.state, self.running, self.request, self.time)
        if self.damaged:
            files = "; ".join(self.damaged)
            return f"{said}; {files}; to set them aside: autoresearch run {self.tag}"
        if self.state is not None and self.dead:
            return f"{said}; go on with: autoresearch {self.state.command} {self.tag}"
        return said

    def cost(self) -> str:
        """Return what the language model took; empty if none was asked."""
        if self.usage is None or not self.usage.requests:
            return ""
        total = f"{self.usage}, {per(self.usage, self.experiments)} an experiment"
        return f"{total}, {per(self.usage, self.kept)} an improvement" if self.kept else total

    def record(self) -> dict[str, object]:
        """Return what `autoresearch status --json` prints, but for the disk space."""
        return {
            "tag": self.tag,
            "running": self.running,
            "state": self.state,
            "request": self.request,
            "task": self.task,
            "front": self.front,
            "experiments": self.experiments,
            "kept": self.kept,
            "waiting": self.waiting,
            "crashed": self.crashed,
            "disturbed": self.disturbed,
            "baseline": self.baseline.value if self.baseline else None,
            "baseline_error": self.baseline.error if self.baseline else None,
            "best": self.best.value if self.best else None,
            "best_error": self.best.error if self.best else None,
            "noise": self.noise,
            "spent": self.spent,
            "extra": self.extra,
            "usage": self.usage,
            "damaged": self.damaged,
            "warning": self.warning,
        }


def _commits(entries: Mapping[int, Entry]) -> list[tuple[str, str | None]]:
    return [(entry.record_commit, entry.approval_commit) for entry in entries.values()]


class Reader:
    """Reads campaign `tag` of the project at `root`, again and again."""

    def __init__(self, root: Path, tag: str) -> None:
        self.workspace = Workspace(root, tag)
        self.history = History(root, tag)
        self._entries: dict[int, Entry] = {}
        self._bounds: tuple[Bound, ...] | None = None
        self._summary = summary_of(tag, [])
        self._best_curve: tuple[Point, ...] = ()

    def read(self) -> Reading:
        """Return the campaign as it is now."""
        workspace = self.workspace
        running, state = workspace.running(), workspace.state()
        self._read_new()
        summary, in_flight = self._summary, Meter(workspace.usage).in_flight(self._entries)
        return Reading(
            **vars(replace(summary, usage=(summary.usage or Usage()) + in_flight)),
            time=time.time(),
            state=state,
            running=running,
            request=workspace.request(),
            damaged=tuple(record_files.damaged(workspace.folder)),
            guidance=workspace.guidance(),
            troubles=tuple(self._troubles(summary, state, running)),
            best_curve=self._best_curve,
        )

    def disk_kb(self) -> float:
        """Return how much disk space git needs for an experiment, in KB of 1,000 bytes."""
        return self.history.disk_bytes() / 1000 / max(1, len(self._entries))

    def _read_new(self) -> None:
        """Read what is new; experiments finish in any order, and a campaign may be deleted."""
        entries = {each.experiment.number: each for each in self.history.entries(self._entries)}
        bounds = self._written_bounds()
        if _commits(entries) != _commits(self._entries) or bounds != self._bounds:
            self._entries, self._bounds = entries, bounds
            self._summary = summary_of(self.history.tag, list(entries.values()), bounds)
            self._best_curve = self._read_curve(self._summary.best_row)

    def _written_bounds(self) -> tuple[Bound, ...] | None:
        try:
            return self.workspace.bounds()
        except InputError:  # `damaged` says so
            return None

    def _read_curve(self, best: Row | None) -> tuple[Point, ...]:
        if best is None:
            return ()
        try:
            return thinned(read_points(self.history.file(best.number, handover.METRICS_FILE)))
        except LedgerError:  # its notebook logged nothing
            return ()

    def _troubles(self, summary: Summary, state: State | None, running: bool) -> list[str]:
        crashes = [row for row in by_finish(summary.table) if row.status is Verdict.CRASH]
        troubles = [
            f"experiment {row.number} crashed, {row.reason}: {row.detail}"
            for row in crashes[-MOST_TROUBLES:]
        ]
        troubles += record_files.damaged(self.workspace.folder)
        try:
            log = read_untrusted_tail(self.workspace.log, LOG_TAIL).decode(errors="replace")
        except FileNotFoundError:
            log = ""
        lines = list(_TROUBLE.finditer(log))
        troubles += [f"{line['when']} {line['what']}" for line in lines[-MOST_TROUBLES:]]
        if state is not None and state.stage is Stage.FAILED and not running:
            troubles.append(state.message)
        return troubles[::-1]
