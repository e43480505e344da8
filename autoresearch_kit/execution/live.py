"""Read the run that is under way from its folder, which is not trusted."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autoresearch_kit.errors import InputError, KitError
from autoresearch_kit.execution import handover
from autoresearch_kit.files.untrusted import read_untrusted, read_untrusted_tail
from autoresearch_kit.records import codec

TAIL = 4096  # bytes of the last few lines of a loss curve
PIECE = 1_000_000  # bytes of a growing loss curve that are read at a time
MOST_POINTS = 4000  # points of a growing loss curve that are kept


@dataclass(frozen=True)
class Point:
    """A line of the loss curve: training seconds, loss in nats per token, tokens so far."""

    step: int
    seconds: float
    loss: float
    tokens: int = 0


def read_points(lines: bytes) -> list[Point]:
    """Return the points in the lines of a `metrics.jsonl`.

    They come from unreviewed code, and the last may be cut: lines that are not valid are left out.
    """
    return [point for line in lines.splitlines() if (point := _point(line))]


def thinned(points: Sequence[Point], most: int = 300) -> tuple[Point, ...]:
    """Return about `most` of the points, at even distances, the last one included."""
    if len(points) <= most:
        return tuple(points)
    return (*points[: -1 : len(points) // most + 1], points[-1])


class Curve:
    """The loss curve of a run under way; each `read` reads only what is new.

    It stays small however long the run is: with too many points, it drops every second one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.points: list[Point] = []
        self._offset = 0
        self._rest = b""

    def read(self) -> None:
        """Add what the run has logged since the last read, if anything."""
        try:
            new = read_untrusted(self.path, PIECE, self._offset)
        except (OSError, KitError):  # not there yet, or no file at all
            return
        self._offset += len(new)
        self.add(new)

    def add(self, new: bytes) -> None:
        """Add these bytes of a `metrics.jsonl`; an unfinished last line waits for its end."""
        lines, end, rest = (self._rest + new).rpartition(b"\n")
        self._rest = rest[-PIECE:]  # unreviewed code may write a line without end
        self.points += read_points(lines + end)
        while len(self.points) > MOST_POINTS:
            self.points = [*self.points[:-1:2], self.points[-1]]


def _point(line: bytes) -> Point | None:
    try:
        point = codec.decode(Point, line)
    except InputError:
        return None
    return point if handover.countable(point.step, point.tokens) else None


def last_point(metrics: Path) -> Point | None:
    """Return the last point of a loss curve; None where there is none, or no file."""
    try:
        points = read_points(read_untrusted_tail(metrics, TAIL))
    except (OSError, KitError):  # not there yet, or no plain file
        return None
    return points[-1] if points else None


@dataclass(frozen=True)
class LiveRun:
    """The runner's stage, since when (seconds since the epoch), and the last point."""

    stage: str
    since: float
    point: Point | None


def read_live(run_folder: Path) -> LiveRun:
    """Return the run in `run_folder` as it is now; in stage `start` while nothing can be read."""
    try:
        runner = codec.decode(handover.Live, (run_folder / handover.LIVE_FILE).read_bytes())
    except (FileNotFoundError, InputError):
        return LiveRun("start", 0.0, None)
    metrics = run_folder / handover.WORK_FOLDER / handover.METRICS_FILE
    return LiveRun(runner.stage, runner.since, last_point(metrics))
