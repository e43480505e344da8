"""Divide the time of a campaign's devices into training and other parts, from its experiments."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from autoresearch_kit.reports.experiment_time import TRAINING
from autoresearch_kit.reports.rows import Row

BETWEEN = "between runs"
"""Proposing, deciding, recording: whenever no run was under way on a device."""

PAUSE_SECONDS = 60.0
"""A longer time in which no experiment was under way was a pause, or nobody ran the campaign."""

SMALLEST_SHARE = 0.005  # parts with a smaller share of the wall-clock are not listed in words


@dataclass(frozen=True)
class Spent:
    """Seconds of the devices' wall-clock by part, the largest first, without pauses.

    `training` is the budgeted part, `compiling` what the budget excluded; the other parts are those
    of `Run.parts`, runs without a score, and `between runs`.
    """

    parts: Mapping[str, float]
    devices: int = 1

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
        whose = f" of {self.devices} devices" if self.devices > 1 else ""
        words = f"{self.training_share:.1%} of the wall-clock{whose} was training"
        return f"{words}; {', '.join(others)}" if others else words


@dataclass(frozen=True)
class SlotTime:
    """The runs of one slot: their number, and seconds of wall-clock.

    `training` is the budgeted part of its runs, `busy` all of them. `seconds` are those of the
    campaign, without pauses, from the start of its first experiment to the end of its last. An
    empty `name` stands for the one device of records of older versions.
    """

    name: str
    runs: int
    training: float
    busy: float
    seconds: float

    @property
    def training_share(self) -> float:
        """Return the share of `seconds` that was training, in [0, 1]."""
        return self.training / self.seconds if self.seconds else 0.0


Interval = tuple[datetime, datetime]


def slot_times(rows: Sequence[Row]) -> list[SlotTime]:
    """Return the time of each slot that carried out a run, by name."""
    active, names = _active(rows), sorted({name for row in rows for name in row.by_slot})
    times = []
    for name in names:
        own = rows if len(names) == 1 else [row for row in rows if name in row.by_slot]
        shares = [row.by_slot[name] for row in own if name in row.by_slot]
        times.append(
            SlotTime(
                name=name,
                runs=sum(share.runs for share in shares),
                training=sum(share.training for share in shares),
                busy=sum(share.busy for share in shares),
                seconds=_seconds_within(active, _active(own)),
            )
        )
    return times


def spent_by(rows: Sequence[Row]) -> Spent:
    """Return where the wall-clock of these experiments went; logs without times have no part."""
    seconds: dict[str, float] = defaultdict(float)
    for row in rows:
        for name, part in row.parts.items():
            seconds[name] += part
    slots = slot_times(rows)
    active = _active(rows)
    wall = sum(slot.seconds for slot in slots) if slots else _seconds_within(active, active)
    seconds[BETWEEN] = max(0.0, wall - sum(seconds.values()))
    largest_first = Counter(seconds).most_common()
    parts = {name: round(part, 3) for name, part in largest_first if part}
    return Spent(parts, max(1, len(slots)))


def _active(rows: Sequence[Row]) -> list[Interval]:
    """Return when experiments were under way, one interval from pause to pause."""
    times = sorted(
        (row.started, row.finished)
        for row in rows
        if row.started and row.finished and row.started <= row.finished  # a clock may be set back
    )
    merged: list[Interval] = []
    for begin, end in times:
        if merged and (begin - merged[-1][1]).total_seconds() <= PAUSE_SECONDS:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((begin, end))
    return merged


def _seconds_within(active: Sequence[Interval], own: Sequence[Interval]) -> float:
    """Return the seconds of `active` between the start of the first of `own` and its last end."""
    if not own:
        return 0.0
    first, last = own[0][0], own[-1][1]
    parts = ((max(begin, first), min(end, last)) for begin, end in active)
    return sum(max(0.0, (end - begin).total_seconds()) for begin, end in parts)
