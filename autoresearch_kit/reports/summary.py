"""A campaign in a few numbers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from autoresearch_kit.ledger import Entry
from autoresearch_kit.records import (
    LANGUAGE_MODELLING,
    Bound,
    Experiment,
    Metric,
    Noise,
    Task,
    Usage,
    Verdict,
    best_of,
    latest_noise,
)
from autoresearch_kit.reports.device_time import Spent, spent_by
from autoresearch_kit.reports.rows import Row, by_finish, rows_of
from autoresearch_kit.reports.tables import task_of
from autoresearch_kit.verdicts.audit import SecondOpinion, second_opinion
from autoresearch_kit.verdicts.bounds import in_force
from autoresearch_kit.verdicts.estimates import Estimate
from autoresearch_kit.verdicts.pareto import front


@dataclass(frozen=True)
class ExtraRuns:
    """Runs beyond one per experiment: repeats of its own code, runs of the best that it asked for,
    and runs set aside because the machine was busy."""

    repeats: int
    of_best: int
    set_aside: int

    def __str__(self) -> str:
        total = self.repeats + self.of_best + self.set_aside
        again = "repeat" if self.repeats == 1 else "repeats"
        counts = {again: self.repeats, "of the best": self.of_best, "set aside": self.set_aside}
        words = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        return f"{total} ({words})" if words else "none"


@dataclass(frozen=True)
class Summary:
    """The results of a campaign; counts leave the baseline out.

    `table` has all experiments by number. `noise` is the latest known. `opinion` holds gains on val
    against those on audit. `usage` is what a language model took; None if that, and the times, were
    not recorded. `task` says what the scores are, and which bounds are in force. `front`
    has the numbers of the keeps of which none is better in all objectives; none with a single one.
    `best_number` is the best's; None where the table has to say.
    """

    tag: str
    table: tuple[Row, ...]
    task: Task = LANGUAGE_MODELLING
    noise: Noise | None = None
    opinion: SecondOpinion = field(default_factory=SecondOpinion)
    usage: Usage | None = None
    front: tuple[int, ...] = ()
    best_number: int | None = None

    @property
    def warning(self) -> str:
        """Return a warning that gains on val and on audit differ; empty if they don't."""
        return self.opinion.warning

    @property
    def metric(self) -> Metric:
        """Return the metric of the scores: the first objective."""
        return self.task.objective

    @property
    def experiments(self) -> int:
        """Return how many experiments were tried after the baseline."""
        return self._counts().total()

    @property
    def kept(self) -> int:
        """Return how many were kept."""
        return self._counts()[Verdict.KEEP]

    @property
    def rejected(self) -> int:
        """Return how many keeps a person rejected."""
        return sum(row.held and not row.waits for row in self.table)

    @property
    def crashed(self) -> int:
        """Return how many crashed."""
        return self._counts()[Verdict.CRASH]

    @property
    def disturbed(self) -> int:
        """Return how many were not judged, because the machine was busy."""
        return self._counts()[Verdict.DISTURBED]

    def _counts(self) -> Counter[Verdict]:
        return Counter(row.status for row in self.table if row.number > 0)

    @property
    def baseline(self) -> Estimate | None:
        """Return the baseline's score: the first keep's."""
        return next((row.estimate for row in by_finish(self.keeps())), None)

    @property
    def best_row(self) -> Row | None:
        """Return the keep with a score that no other has replaced."""
        keeps = [row for row in self.keeps() if row.leads]
        replaced = {row.against for row in keeps}
        left = [row for row in keeps if row.number not in replaced]
        chosen = [row for row in left if row.number == self.best_number]
        return next(iter(chosen or left[-1:]), None)

    @property
    def waiting(self) -> tuple[int, ...]:
        """Return the numbers of the keeps that wait for a person's approval."""
        return tuple(row.number for row in self.table if row.waits)

    def keeps(self) -> list[Row]:
        """Return what was kept with a score, by number."""
        return [row for row in self.table if row.status is Verdict.KEEP and row.estimate]

    @property
    def best(self) -> Estimate | None:
        """Return the score of the best."""
        return self.best_row.estimate if self.best_row else None

    @property
    def gain(self) -> float:
        """Return by how much the best is better than the baseline, in the unit of the metric."""
        if not self.baseline or not self.best:
            return 0.0
        return self.metric.sign * (self.baseline.value - self.best.value)

    @property
    def hours(self) -> float | None:
        """Return the hours from the first start to the last end, with pauses; None in a log."""
        starts = [row.started for row in self.table if row.started]
        ends = [row.finished for row in self.table if row.finished]
        if not starts or not ends:
            return None
        return max(0.0, (max(ends) - min(starts)).total_seconds()) / 3600  # a clock may be set back

    @property
    def device_hours(self) -> float:
        """Return the wall-clock of all runs on all devices, in hours; 0 in a log without times."""
        return sum(row.seconds for row in self.table) / 3600

    @property
    def spent(self) -> Spent:
        """Return where the wall-clock of all devices went, without pauses."""
        return spent_by(self.table)

    @property
    def extra(self) -> ExtraRuns:
        """Return the runs beyond one per experiment, other than those that mended a bug."""
        return ExtraRuns(
            repeats=sum(max(0, row.runs - 1) for row in self.table),
            of_best=sum(row.rerun for row in self.table),
            set_aside=sum(row.set_aside for row in self.table),
        )

    def measured(self, row: Row) -> Mapping[str, float]:
        """Return an experiment's value in each metric that it was measured in."""
        score = {} if row.score is None else {self.metric.name: row.score}
        return {**row.values, **score}

    def holds_bounds(self, row: Row) -> bool:
        """Return whether an experiment was measured within all bounds in force."""
        values = self.measured(row)
        return all(
            bound.metric in values and bound.holds(values[bound.metric])
            for bound in self.task.bounds
        )


def summarise(tag: str, experiments: Sequence[Experiment]) -> Summary:
    """Summarise a campaign's experiments, given by number."""
    return summary_of(tag, [Entry(experiment, "", "") for experiment in experiments])


def summary_of(
    tag: str, entries: Sequence[Entry], written: tuple[Bound, ...] | None = None
) -> Summary:
    """Summarise a campaign, given its experiments by number, and their commits.

    `written` are the bounds as its workspace has them, None where it has none.
    """
    tried, task = [entry.experiment for entry in entries], task_of(entries)
    task = replace(task, bounds=in_force(written, tried, task))
    several = len(task.objectives) > 1
    noise, opinion, best = latest_noise(tried), second_opinion(tried), best_of(tried)
    return Summary(
        tag,
        rows_of(entries),
        task,
        noise,
        opinion,
        sum((each.usage for each in tried), Usage()),
        tuple(each.number for each in front(tried, task)) if several else (),
        best.number if best else None,
    )
