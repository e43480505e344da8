"""The run that is under way, seen from outside: read from its folder, trusted for nothing."""

from dataclasses import dataclass
from pathlib import Path

from autoresearch_kit import codec
from autoresearch_kit.errors import InputError
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.untrusted import read_untrusted_tail

TAIL = 4096
"""Bytes: the last few lines of a loss curve."""


@dataclass(frozen=True)
class Point:
    """One line of the loss curve: training seconds, loss in nats per token, tokens so far."""

    step: int
    seconds: float
    loss: float
    tokens: int = 0


def read_points(lines: bytes) -> list[Point]:
    """The points in the lines of a `metrics.jsonl`.

    They come from unreviewed code, and the last may be torn: a line that is not right is left out.
    """
    return [point for line in lines.splitlines() if (point := _point(line))]


def _point(line: bytes) -> Point | None:
    try:
        return codec.decode(Point, line)
    except InputError:
        return None


@dataclass(frozen=True)
class LiveRun:
    """Where the runner is and since when (seconds since the epoch), and its last point."""

    stage: str
    since: float
    point: Point | None


def read_live(run_folder: Path) -> LiveRun:
    """The run in `run_folder` as it is now; stage `start` while nothing was written yet."""
    try:
        runner = codec.decode(handover.Live, (run_folder / handover.LIVE_FILE).read_bytes())
    except FileNotFoundError:
        return LiveRun("start", 0.0, None)
    metrics = run_folder / handover.WORK_FOLDER / handover.METRICS_FILE
    return LiveRun(runner.stage, runner.since, _last_point(metrics))


def _last_point(metrics: Path) -> Point | None:
    try:
        points = read_points(read_untrusted_tail(metrics, TAIL))
    except FileNotFoundError:
        return None
    return points[-1] if points else None
