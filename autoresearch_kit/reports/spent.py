"""Where a campaign's wall-clock went."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from autoresearch_kit.records import Experiment, Run

TRAINING = "training"

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
        """Return all of it."""
        return sum(self.parts.values())

    @property
    def training_share(self) -> float:
        """Return the share that was training, in [0, 1]; 0 where nothing ran."""
        return self.parts.get(TRAINING, 0.0) / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        if not self.seconds:
            return "nothing ran"
        shares = {name: part / self.seconds for name, part in self.parts.items()}
        words = f"{shares.pop(TRAINING, 0.0):.1%} of the wall-clock was training"
        others = [f"{name} {share:.1%}" for name, share in shares.items() if share > SMALLEST_SHARE]
        return f"{words}; {', '.join(others)}" if others else words


@dataclass(frozen=True)
class Span:
    """When an experiment began and ended, in ISO 8601, and its seconds by part."""

    started: str
    finished: str
    parts: Mapping[str, float]


def spent(experiments: Iterable[Experiment]) -> Spent:
    """Return where the wall-clock of these experiments went, the baseline first."""
    return spent_in([Span(e.started, e.finished, seconds_by_part(e)) for e in experiments])


def spent_in(spans: list[Span]) -> Spent:
    """Return where the wall-clock of experiments went, given in order."""
    seconds: dict[str, float] = {}
    for span in spans:
        for name, part in span.parts.items():
            seconds[name] = seconds.get(name, 0.0) + part
    wall = sum(seconds_between(span.started, span.finished) for span in spans)
    gaps = [seconds_between(span.finished, after.started) for span, after in pairwise(spans)]
    wall += sum(gap for gap in gaps if gap <= PAUSE_SECONDS)
    seconds[BETWEEN] = max(0.0, wall - sum(seconds.values()))
    parts = {name: round(part, 3) for name, part in seconds.items() if part}
    return Spent(dict(sorted(parts.items(), key=lambda part: -part[1])))


def seconds_by_part(experiment: Experiment) -> dict[str, float]:
    """Return the seconds of everything an experiment took; runs without a score are one part."""
    attempts = experiment.proposal.attempts
    profiled = experiment.profiled
    seconds = {
        "mended crashes": sum(attempt.run.wall_seconds for attempt in attempts),
        "probes": sum(run.wall_seconds for run in experiment.probes),
        "profiles": profiled.run.wall_seconds if profiled else 0.0,
    }
    for run in experiment.all_runs[len(attempts) :]:
        for name, part in _parts(run).items():
            seconds[name] = seconds.get(name, 0.0) + part
    return seconds


def _parts(run: Run) -> dict[str, float]:
    """Return a run's seconds; `other` is what a run that failed early took beyond its parts."""
    training, compiling = run.training_wall_seconds, run.compiling_wall_seconds
    parts = {TRAINING: training, "compiling": compiling, **run.parts}
    return {**parts, "other": max(0.0, run.wall_seconds - sum(parts.values()))}


def seconds_between(begin: str, end: str) -> float:
    """Return the seconds from one time in ISO 8601 to another; 0 if a clock was set back."""
    seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()
    return max(0.0, seconds)
