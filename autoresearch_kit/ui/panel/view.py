"""Everything that the panel shows of a campaign at one moment."""

import threading
from dataclasses import dataclass
from pathlib import Path

from autoresearch_kit.reports import tables
from autoresearch_kit.reports.figures.drawing import render
from autoresearch_kit.reports.figures.progress import progress
from autoresearch_kit.reports.reading import Reader, Reading
from autoresearch_kit.reports.status import in_short, known_campaigns
from autoresearch_kit.reports.under_way import RunWatcher, UnderWay
from autoresearch_kit.ui.panel.live_curve import live_curve

CURVE_DRAWINGS = 60
"""How often the loss curve of a run is drawn anew while it trains."""


@dataclass(frozen=True)
class View:
    """A campaign, its run under way, and what all campaigns are doing.

    `picture` and `curve` are PNG files; None where they are as they were at the last look.
    """

    reading: Reading
    run: UnderWay | None
    campaigns: dict[str, str]
    picture: bytes | None
    curve: bytes | None


class Viewer:
    """Looks at campaign `tag` of the project at `root`; draws a figure only if it has changed."""

    def __init__(self, root: Path, tag: str) -> None:
        self._root = root
        self._reader = Reader(root, tag)
        self.workspace, self.history = self._reader.workspace, self._reader.history
        self._runs = RunWatcher(self.workspace, self.history)
        self._drawn = 0
        self._curve_drawn = (-1, -1)
        self._lock = threading.Lock()

    def look(self) -> View:
        """Return the campaign as it is now; several threads may ask."""
        with self._lock:
            return self._look()

    def _look(self) -> View:
        reading, run = self._reader.read(), self._runs.look()
        tags = sorted({*known_campaigns(self._root), reading.tag})
        return View(
            reading,
            run,
            {tag: in_short(self._root, tag) for tag in tags},
            self._draw_picture(reading),
            self._draw_curve(reading, run) if run and run.curve else None,
        )

    def _draw_picture(self, reading: Reading) -> bytes | None:
        if self._drawn == len(reading.table):
            return None
        self._drawn = len(reading.table)
        frame = tables.frame_of(reading.table)
        return render(progress(frame, reading.noise, title=reading.tag, size=(10, 4.2)))

    def _draw_curve(self, reading: Reading, run: UnderWay) -> bytes | None:
        now = (run.proposal.number, int(CURVE_DRAWINGS * run.trained / max(run.budget, 1.0)))
        if self._curve_drawn == now:
            return None
        self._curve_drawn = now
        best = reading.best_curve if run.proposal.parent is not None else ()
        return render(live_curve(run.curve, best, run.budget))
