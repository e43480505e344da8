"""A campaign in a few numbers."""

import math
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
    SandboxLevel,
    Task,
    Usage,
    Verdict,
    best_of,
    latest_noise,
)
from autoresearch_kit.records.text import markdown_table, rounded, with_error
from autoresearch_kit.reports.device_time import Spent, spent_by
from autoresearch_kit.reports.experiment import TRUSTED, in_words
from autoresearch_kit.reports.rows import Row, by_finish, rows_of
from autoresearch_kit.reports.tables import task_of
from autoresearch_kit.verdicts.audit import SecondOpinion, second_opinion
from autoresearch_kit.verdicts.bounds import in_force
from autoresearch_kit.verdicts.estimates import Estimate, error_between
from autoresearch_kit.verdicts.noise import describe
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
        counts = {"repeats": self.repeats, "of the best": self.of_best, "set aside": self.set_aside}
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
        return next((row.estimate for row in by_finish(self._keeps())), None)

    @property
    def best_row(self) -> Row | None:
        """Return the keep with a score that no other has replaced."""
        keeps = [row for row in self._keeps() if row.leads]
        replaced = {row.against for row in keeps}
        left = [row for row in keeps if row.number not in replaced]
        chosen = [row for row in left if row.number == self.best_number]
        return next(iter(chosen or left[-1:]), None)

    @property
    def waiting(self) -> tuple[int, ...]:
        """Return the numbers of the keeps that wait for a person's approval."""
        return tuple(row.number for row in self.table if row.waits)

    def _keeps(self) -> list[Row]:
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

    def rows(self) -> list[tuple[str, str]]:
        """Return the summary as names and words."""
        judged, numbers = self.experiments - self.disturbed, ", ".join(map(str, self.front))
        rows = [
            ("experiments", f"{self.experiments}: {outcomes(self)}"),
            ("keep rate", f"{self.kept / judged:.0%}" if judged else ""),
            (f"baseline {self.metric.name}", str(self.baseline or "")),
            (f"best {self.metric.name}", f"{self.best}, {self._gain()}" if self.best else ""),
            *self._others(),
            ("waiting", self._waiting()),
            ("front", f"{len(self.front)} kept, none better in all: {numbers}" if numbers else ""),
            ("bounds", self.bounds()),
            ("measured", TRUSTED if self.task.trusted else ""),
            ("noise", describe(self.noise) if self.noise else ""),
            ("extra runs", str(self.extra).replace("none", "")),
            ("hours", "not recorded" if self.hours is None else f"{self.hours:.1f}; {self.spent}"),
            ("device-hours", self._device_hours()),
            ("language model", self._usage()),
            ("sandbox", self._sandbox()),
            ("warning", self.warning),
        ]
        return [(name, words) for name, words in rows if words]

    def _waiting(self) -> str:
        numbers = ", ".join(map(str, self.waiting))
        way = f"autoresearch approve {self.tag} N, or reject {self.tag} N"
        return f"for approval: {numbers}; {way}" if numbers else ""

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

    def bounds(self) -> str:
        """Return each bound, and whether the best holds it; empty without bounds."""
        values = self.measured(self.best_row) if self.best_row else {}
        return "; ".join(
            f"{bound}: {in_words(bound, values.get(bound.metric))}" for bound in self.task.bounds
        )

    def _others(self) -> list[tuple[str, str]]:
        """Return the best's value in each other objective, and the baseline's."""
        best, first = self.best_row, next(iter(by_finish(self._keeps())), None)
        if best is None or first is None:
            return []
        names = [name for name in self.task.objectives[1:] if name in best.values]
        return [
            (f"its {name}", _changed(first.values.get(name), best.values[name])) for name in names
        ]

    def _gain(self) -> str:
        direction = self.metric.direction
        if not self.baseline or not self.best or self.gain <= 0:
            return f"no {direction}"
        words = with_error(self.gain, error_between(self.baseline, self.best))
        return f"{words}{share(self.gain, self.baseline.value, self.metric)} {direction}"

    def _device_hours(self) -> str:
        """Return the device-hours of all runs, and those per improvement."""
        if not self.device_hours:
            return ""
        words = f"{self.device_hours:.2f} of all runs"
        return (
            f"{words}, {self.device_hours / self.kept:.2f} an improvement" if self.kept else words
        )

    def _sandbox(self) -> str:
        """Name the strongest sandbox, and count the experiments that had a weaker one."""
        counts = Counter(row.sandbox for row in self.table if row.sandbox)
        strongest, *weaker = [str(level) for level in SandboxLevel if level in counts] or [""]
        counted = [f"but {level} in {counts[SandboxLevel(level)]}" for level in weaker]
        return ", ".join([strongest, *(f"{words} of {counts.total()}" for words in counted)])

    def _usage(self) -> str:
        if self.usage is None:
            return "not recorded"
        if not self.usage.requests:
            return "not used"
        if self.usage.usd is None:
            return f"{self.usage}; the cost is not known, since no prices were given"
        if self.gain <= 0:
            return f"{self.usage}, for no gain"
        first = self.baseline.value if self.baseline else 0.0
        if first <= 0:
            return str(self.usage)
        step = 10.0 ** (round(math.log10(first)) - 3)
        price, unit = self.usage.usd * step / self.gain, self.metric.unit or self.metric.name
        return f"{self.usage}: {price:.3f} USD for each {step:g} {unit}"

    def _repr_markdown_(self) -> str:
        return markdown_table(self.tag, self.rows())


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


def _changed(before: float | None, now: float) -> str:
    return rounded(now) + ("" if before is None else f", the baseline's {rounded(before)}")


def share(gain: float, baseline: float, metric: Metric) -> str:
    """Return ` (2.83%)` for a gain over this baseline; empty where a share would say nothing."""
    return f" ({gain / baseline:.2%})" if metric.zero_is_floor and baseline > 0 else ""


def outcomes(summary: Summary) -> str:
    """Return `3 kept, 1 crashed`, and how many were disturbed where any were."""
    words = f"{summary.kept} kept, {summary.crashed} crashed"
    words += f", {summary.disturbed} disturbed" if summary.disturbed else ""
    waiting = len(summary.waiting)
    return f"{words}, {waiting} waiting for approval" if waiting else words
