"""Where a campaign's wall-clock went."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from autoresearch_kit.records import Experiment, Run

TRAINING = "training"

MENDED = "mended crashes"
"""All of the runs that crashed on a bug which was then repaired."""

PROBES = "probes"
PROFILES = "profiles"
"""Short runs without a score: of drafts, and of what was kept."""

BETWEEN = "between runs"
"""Proposing, deciding, recording, and whatever else no run was under way for."""

PAUSE_SECONDS = 60.0
"""From one experiment's end to the next one's begin: where it is longer, nobody ran the campaign,
or it was paused."""

TOLD = 0.005
"""Of the wall-clock: parts smaller than this are not told one by one."""


@dataclass(frozen=True)
class Spent:
    """Seconds of wall-clock by part, the largest first. Pauses are in none.

    `training` is what was budgeted, `compiling` what the budget excluded; the others are parts of
    runs by their names in `Run.parts`, and what lay between runs.
    """

    parts: Mapping[str, float]

    @property
    def seconds(self) -> float:
        """All of it."""
        return sum(self.parts.values())

    @property
    def training_share(self) -> float:
        """The share that was training, in [0, 1]; 0 where nothing ran."""
        return self.parts.get(TRAINING, 0.0) / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        if not self.seconds:
            return "nothing ran"
        shares = {name: part / self.seconds for name, part in self.parts.items()}
        rest = {name: share for name, share in shares.items() if name != TRAINING}
        told = [f"{name} {share:.1%}" for name, share in rest.items() if share >= TOLD]
        words = f"{self.training_share:.1%} of the wall-clock was training"
        return f"{words}; {', '.join(told)}" if told else words


NOTHING = Spent({})


def spent(experiments: Sequence[Experiment]) -> Spent:
    """Where the wall-clock of these experiments went, the baseline first."""
    seconds: dict[str, float] = {}
    for one in experiments:
        for name, part in _parts_of(one):
            seconds[name] = seconds.get(name, 0.0) + part
    between = max(0.0, _wall(experiments) - sum(seconds.values()))
    parts = {name: round(part, 3) for name, part in {**seconds, BETWEEN: between}.items() if part}
    return Spent(dict(sorted(parts.items(), key=lambda part: -part[1])))


def runs(experiments: Sequence[Experiment]) -> list[Run]:
    """All their runs, those that were mended, repeated or set aside among them."""
    return [run for one in experiments for run in one.all_runs]


def _parts_of(experiment: Experiment) -> Iterator[tuple[str, float]]:
    """Yield the parts of all that an experiment took; what gave no score is one by its kind."""
    attempts = experiment.proposal.attempts
    yield MENDED, sum(attempt.run.wall_seconds for attempt in attempts)
    yield PROBES, sum(run.wall_seconds for run in experiment.probes)
    yield PROFILES, experiment.profiled.run.wall_seconds if experiment.profiled else 0.0
    for run in experiment.all_runs[len(attempts) :]:
        yield from _parts(run).items()


def _parts(run: Run) -> dict[str, float]:
    """All of a run's wall-clock; a run that failed early has more than its parts."""
    training, compiling = run.training_wall_seconds, run.compiling_wall_seconds
    parts = {TRAINING: training, "compiling": compiling, **run.parts}
    return {**parts, "other": max(0.0, run.wall_seconds - sum(parts.values()))}


def _wall(experiments: Sequence[Experiment]) -> float:
    """Seconds in which the campaign was at work."""
    within = [seconds_between(one.started, one.finished) for one in experiments]
    gaps = [seconds_between(one.finished, after.started) for one, after in pairwise(experiments)]
    return sum(within) + sum(gap for gap in gaps if gap <= PAUSE_SECONDS)


def seconds_between(begin: str, end: str) -> float:
    """From one time in ISO 8601 to another, not less than 0."""
    seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()
    return max(0.0, seconds)  # a clock may have been set back
