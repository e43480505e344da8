"""Everything that the panel shows of a campaign at one moment."""

import threading
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autoresearch_kit.execution.live import Point
from autoresearch_kit.reports import tables
from autoresearch_kit.reports.figures.drawing import Drawing, render
from autoresearch_kit.reports.figures.loss_curves import curve_of, loss_curves
from autoresearch_kit.reports.figures.progress import progress
from autoresearch_kit.reports.reading import Reader, Reading
from autoresearch_kit.reports.rows import Row
from autoresearch_kit.reports.status import in_short, known_campaigns
from autoresearch_kit.reports.under_way import RunWatcher, UnderWay

CURVE_DRAWINGS = 60  # seconds after which the loss curve of a run is drawn anew while it trains
PROGRESS_SIZE, CURVE_SIZE = (10.0, 4.2), (9.0, 2.6)  # inches, at 100 pixels each


@dataclass(frozen=True)
class View:
    """A campaign, the run under way that is followed, and what all campaigns are doing.

    `comparison` says how the run compares with the best. `picture` and `curve` are PNG files; None
    where they have not changed since the last view.
    """

    reading: Reading
    run: UnderWay | None
    comparison: str
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
        self._drawn: tuple[Row, ...] = ()
        self._curve_drawn = (-1, -1)
        self._lock = threading.Lock()

    def look(self, chosen: int | None = None) -> View:
        """Return the campaign as it is now; several threads may ask.

        `chosen` is the experiment under way to follow, by default the last begun.
        """
        with self._lock:
            reading, run = self._reader.read(), self._runs.look(chosen)
            best = reading.best_curve if run and run.proposal.parent is not None else ()
            tags = sorted({*known_campaigns(self._root), reading.tag})
            return View(
                reading,
                run,
                compare(run.curve, best) if run else "",
                {tag: in_short(self._root, tag) for tag in tags},
                self._draw_picture(reading),
                self._draw_curve(run, best) if run and run.curve else None,
            )

    def _draw_picture(self, reading: Reading) -> bytes | None:
        if self._drawn is reading.table:  # the reader makes a new one when it has read anything
            return None
        self._drawn = reading.table
        frame = tables.frame_of(reading.table)
        return render(
            progress(
                frame, reading.noise, metric=reading.metric, title=reading.tag, size=PROGRESS_SIZE
            )
        )

    def _draw_curve(self, run: UnderWay, best: Sequence[Point]) -> bytes | None:
        now = (run.proposal.number, int(CURVE_DRAWINGS * run.trained / max(run.budget, 1.0)))
        if self._curve_drawn == now:
            return None
        self._curve_drawn = now
        return render(live_curve(run.curve, best, run.budget))


def live_curve(run: Sequence[Point], best: Sequence[Point], budget: float) -> Drawing:
    """Draw both loss curves on an axis as long as the budget, in training seconds."""
    curves = {"the best": curve_of(best), "this run": curve_of(run)}
    return loss_curves(curves, size=CURVE_SIZE, seconds=budget)


def compare(run: Sequence[Point], best: Sequence[Point]) -> str:
    """Compare a run with the best at the same training second; empty if that is not possible.

    Both are means over the last twentieth of the time so far, since single losses jump.
    """
    if not run or not best or run[-1].seconds < best[0].seconds:
        return ""
    now = run[-1].seconds
    ours, other = _mean_loss(run, now), _mean_loss(best, now)
    word = "lower" if ours < other else "higher"
    return f"loss {ours:.3f} at {now:.0f} s, {abs(ours - other):.3f} {word} than the best's there"


def _mean_loss(curve: Sequence[Point], until: float) -> float:
    end = bisect_right(curve, until, key=lambda point: point.seconds)
    start = bisect_right(curve, 0.95 * until, key=lambda point: point.seconds)
    chosen = curve[min(start, end - 1) : end]
    return sum(point.loss for point in chosen) / len(chosen)
