"""Where a campaign's wall-clock went."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from autoresearch_kit.reports.rows import TRAINING, Row

BETWEEN = "between runs"
"""Proposing, deciding, recording: whenever no run was under way."""

PAUSE_SECONDS = 60.0
"""A longer gap between the end of one experiment and the start of the next was a pause, or nobody
ran the campaign."""

SMALLEST_SHARE = 0.005
"""Parts with a smaller share of the wall-clock are not listed in words."""


@dataclass(frozen=True)
class Spent:
    """Seconds of wall-clock by part, the largest first, without pauses.

    `training` is the budgeted part, `compiling` what the budget excluded; the other parts are those
    of `Run.parts`, runs without a score, and `between runs`.
    """

    parts: Mapping[str, float]

    @property
    def seconds(self) -> float:
        """Return the sum of all parts."""
        return sum(self.parts.values())

    @property
    def training_share(self) -> float:
        """Return the share that was training, in [0, 1]; 0 where nothing ran."""
        return self.parts.get(TRAINING, 0.0) / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        if not self.seconds:
            return "nothing ran"
        others = [
            f"{name} {seconds / self.seconds:.1%}"
            for name, seconds in self.parts.items()
            if name != TRAINING and seconds > SMALLEST_SHARE * self.seconds
        ]
        words = f"{self.training_share:.1%} of the wall-clock was training"
        return f"{words}; {', '.join(others)}" if others else words


def spent(rows: Sequence[Row]) -> Spent:
    """Return where the wall-clock of these experiments went; logs without times have no part."""
    seconds: dict[str, float] = defaultdict(float)
    for row in rows:
        for name, part in row.parts.items():
            seconds[name] += part
    times = [(row.started, row.finished) for row in rows if row.started and row.finished]
    wall = sum(seconds_between(started, finished) for started, finished in times)
    gaps = (seconds_between(before[1], after[0]) for before, after in pairwise(times))
    wall += sum(gap for gap in gaps if gap <= PAUSE_SECONDS)
    seconds[BETWEEN] = max(0.0, wall - sum(seconds.values()))
    largest_first = sorted(seconds.items(), key=lambda part: -part[1])
    return Spent({name: round(part, 3) for name, part in largest_first if part})


def seconds_between(begin: datetime, end: datetime) -> float:
    """Return the seconds from one time to another; 0 if a clock was set back."""
    return max(0.0, (end - begin).total_seconds())
