"""A campaign in a few numbers."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from autoresearch_kit.ledger import Entry
from autoresearch_kit.records import Experiment, Noise, SandboxLevel, Usage, Verdict, latest_noise
from autoresearch_kit.records.text import markdown_table, with_error
from autoresearch_kit.reports.rows import OBJECTIVE, TRAINING, Row, rows_of
from autoresearch_kit.verdicts.audit import SecondOpinion, second_opinion
from autoresearch_kit.verdicts.estimates import Estimate, error_between
from autoresearch_kit.verdicts.noise import describe

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
    not recorded.
    """

    tag: str
    table: tuple[Row, ...]
    noise: Noise | None = None
    opinion: SecondOpinion = field(default_factory=SecondOpinion)
    usage: Usage | None = None

    @property
    def warning(self) -> str:
        """Return a warning that gains on val and on audit differ; empty if they don't."""
        return self.opinion.warning

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
        return next((row.estimate for row in self.table if row.best is not None), None)

    @property
    def best_row(self) -> Row | None:
        """Return the latest keep with a score, since it replaced the best before it."""
        keeps = [row for row in self.table if row.status is Verdict.KEEP and row.estimate]
        return keeps[-1] if keeps else None

    @property
    def best(self) -> Estimate | None:
        """Return the score of the latest keep."""
        return self.best_row.estimate if self.best_row else None

    @property
    def gain(self) -> float:
        """Return by how many bits per byte the best is below the baseline."""
        return self.baseline.value - self.best.value if self.baseline and self.best else 0.0

    @property
    def hours(self) -> float | None:
        """Return the hours from the first start to the last end, with pauses; None in a log."""
        starts = [row.started for row in self.table if row.started]
        ends = [row.finished for row in self.table if row.finished]
        return _seconds_between(starts[0], ends[-1]) / 3600 if starts and ends else None

    @property
    def spent(self) -> Spent:
        """Return where the wall-clock went, without pauses."""
        return _spent(self.table)

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
        judged = self.experiments - self.disturbed
        rows = [
            ("experiments", f"{self.experiments}: {outcomes(self)}"),
            ("keep rate", f"{self.kept / judged:.0%}" if judged else ""),
            (f"baseline {OBJECTIVE}", str(self.baseline or "")),
            (f"best {OBJECTIVE}", f"{self.best}, {self._gain()}" if self.best else ""),
            ("noise", describe(self.noise) if self.noise else ""),
            ("extra runs", str(self.extra).replace("none", "")),
            ("hours", "not recorded" if self.hours is None else f"{self.hours:.1f}; {self.spent}"),
            ("language model", self._usage()),
            ("sandbox", self._sandbox()),
            ("warning", self.warning),
        ]
        return [(name, words) for name, words in rows if words]

    def _gain(self) -> str:
        if not self.baseline or not self.best or self.gain <= 0:
            return "no lower"
        error = error_between(self.baseline, self.best)
        return f"{with_error(self.gain, error)} ({self.gain / self.baseline.value:.2%}) lower"

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
        price = self.usage.usd / (1000 * self.gain)
        return f"{self.usage}: {price:.3f} USD for each 0.001 bits per byte"

    def _repr_markdown_(self) -> str:
        return markdown_table(self.tag, self.rows())


def summarise(tag: str, experiments: Sequence[Experiment]) -> Summary:
    """Summarise a campaign's experiments, given by number."""
    return summary_of(tag, [Entry(experiment, "", "") for experiment in experiments])


def summary_of(tag: str, entries: Sequence[Entry]) -> Summary:
    """Summarise a campaign, given its experiments by number, and their commits."""
    tried = [entry.experiment for entry in entries]
    noise, opinion = latest_noise(tried), second_opinion(tried)
    return Summary(
        tag, rows_of(entries), noise, opinion, sum((each.usage for each in tried), Usage())
    )


def outcomes(summary: Summary) -> str:
    """Return `3 kept, 1 crashed`, and how many were disturbed where any were."""
    words = f"{summary.kept} kept, {summary.crashed} crashed"
    return f"{words}, {summary.disturbed} disturbed" if summary.disturbed else words


def _spent(rows: Sequence[Row]) -> Spent:
    """Return where the wall-clock of these experiments went; logs without times have no part."""
    seconds: dict[str, float] = defaultdict(float)
    for row in rows:
        for name, part in row.parts.items():
            seconds[name] += part
    times = [(row.started, row.finished) for row in rows if row.started and row.finished]
    wall = sum(_seconds_between(started, finished) for started, finished in times)
    gaps = (_seconds_between(before[1], after[0]) for before, after in pairwise(times))
    wall += sum(gap for gap in gaps if gap <= PAUSE_SECONDS)
    seconds[BETWEEN] = max(0.0, wall - sum(seconds.values()))
    largest_first = sorted(seconds.items(), key=lambda part: -part[1])
    return Spent({name: round(part, 3) for name, part in largest_first if part})


def _seconds_between(begin: datetime, end: datetime) -> float:
    """Return the seconds from one time to another; 0 if a clock was set back."""
    return max(0.0, (end - begin).total_seconds())
