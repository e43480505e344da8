"""A campaign in a few numbers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

from autoresearch_kit.records import Experiment, Noise, SandboxLevel, Usage, Verdict
from autoresearch_kit.records.text import markdown_table, with_error
from autoresearch_kit.reports.rows import OBJECTIVE, Row, Rows
from autoresearch_kit.reports.spent import Span, Spent, seconds_between, spent_in
from autoresearch_kit.verdicts.audit import SecondOpinion
from autoresearch_kit.verdicts.estimates import Estimate, error_between
from autoresearch_kit.verdicts.noise import describe

NO_OPINION = SecondOpinion((), None, "")


@dataclass(frozen=True)
class ExtraRuns:
    """Runs beyond one per experiment: repeats of its own code, runs of the best that it asked for,
    and runs set aside because the machine was busy."""

    repeats: int
    of_best: int
    set_aside: int

    def __str__(self) -> str:
        counts = asdict(self)
        words = [f"{count} {name.replace('of_', 'of the ').replace('_', ' ')}"
                 for name, count in counts.items() if count]  # fmt: skip
        return f"{sum(counts.values())} ({', '.join(words)})" if words else "none"


@dataclass(frozen=True)
class Summary:
    """The results of a campaign; counts leave the baseline out.

    `table` has all experiments, the baseline first. `noise` is the latest known. `opinion`
    holds gains on val against those on audit. `usage` is what a language model took; None if that,
    and the hours, were not recorded.
    """

    tag: str
    table: tuple[Row, ...]
    noise: Noise | None = None
    opinion: SecondOpinion = NO_OPINION
    usage: Usage | None = None

    @property
    def warning(self) -> str:
        """Return a warning that gains on val and on audit differ; empty while they don't."""
        return self.opinion.warning

    @property
    def experiments(self) -> int:
        """Return how many experiments were tried after the baseline."""
        return max(0, len(self.table) - 1)

    @property
    def kept(self) -> int:
        """Return how many were kept."""
        return self._count(Verdict.KEEP)

    @property
    def crashed(self) -> int:
        """Return how many crashed."""
        return self._count(Verdict.CRASH)

    @property
    def disturbed(self) -> int:
        """Return how many were not judged, because the machine was busy."""
        return self._count(Verdict.DISTURBED)

    def _count(self, verdict: Verdict) -> int:
        return sum(row.status is verdict for row in self.table[1:])

    @property
    def baseline(self) -> Estimate | None:
        """Return the baseline's score: the first keep's."""
        return next((row.estimate for row in self.table if row.best_estimate), None)

    @property
    def best_row(self) -> Row | None:
        """Return the latest keep, since it replaced the best before it."""
        kept = (row for row in reversed(self.table) if row.status is Verdict.KEEP)
        return next(kept, None)

    @property
    def best(self) -> Estimate | None:
        """Return the score of the latest keep."""
        return self.table[-1].best_estimate if self.table else None

    @property
    def gain(self) -> float:
        """Bits per byte by which the best is below the baseline."""
        return self.baseline.value - self.best.value if self.baseline and self.best else 0.0

    @property
    def usd_per_millibit(self) -> float | None:
        """US dollars for each 0.001 bits per byte gained; None where either is not known."""
        if self.usage is None or self.usage.usd is None or self.gain <= 0:
            return None
        return self.usage.usd / (self.gain * 1000)

    @cached_property
    def _spans(self) -> list[Span]:
        return [
            Span(row.started, row.finished, row.parts)
            for row in self.table
            if row.started and row.finished
        ]

    @property
    def hours(self) -> float | None:
        """Hours from the first start to the last record, pauses included; None if not recorded."""
        if not self._spans:
            return None
        return seconds_between(self._spans[0].started, self._spans[-1].finished) / 3600

    @cached_property
    def spent(self) -> Spent:
        """Return where the wall-clock went, without pauses."""
        return spent_in(self._spans)

    @property
    def extra(self) -> ExtraRuns:
        """Runs beyond one per experiment, other than those that mended a bug."""
        return ExtraRuns(
            repeats=sum(max(0, row.runs - 1) for row in self.table),
            of_best=sum(row.rerun for row in self.table),
            set_aside=sum(row.set_aside for row in self.table),
        )

    @property
    def sandboxes(self) -> Mapping[SandboxLevel, int]:
        """Return how many experiments ran at each level of the sandbox."""
        return Counter(row.sandbox for row in self.table if row.sandbox)

    def rows(self) -> list[tuple[str, str]]:
        """Return the summary as names and words."""
        rows = [("experiments", f"{self.experiments}: {outcomes(self)}")]
        if judged := self.experiments - self.disturbed:
            rows.append(("keep rate", f"{self.kept / judged:.0%}"))
        if self.baseline and self.best:
            rows += [
                (f"baseline {OBJECTIVE}", str(self.baseline)),
                (f"best {OBJECTIVE}", f"{self.best}, {self._gain()}"),
            ]
        if self.noise:
            rows.append(("noise", describe(self.noise)))
        if str(self.extra) != "none":
            rows.append(("extra runs", str(self.extra)))
        hours = "not recorded" if self.hours is None else f"{self.hours:.1f}; {self.spent}"
        rows += [("hours", hours), ("language model", self._usage())]
        if self.sandboxes:
            rows.append(("sandbox", self._sandbox()))
        return [*rows, ("warning", self.warning)] if self.warning else rows

    def _gain(self) -> str:
        if not self.baseline or not self.best or self.gain <= 0:
            return "no lower"
        error = error_between(self.baseline, self.best)
        return f"{with_error(self.gain, error)} ({self.gain / self.baseline.value:.2%}) lower"

    def _sandbox(self) -> str:
        """Name the sandbox, and count the experiments whose sandbox was weaker."""
        strongest, *others = [level for level in SandboxLevel if level in self.sandboxes]
        total = sum(self.sandboxes.values())
        weaker = [f"but {level} in {self.sandboxes[level]} of {total}" for level in others]
        return ", ".join([str(strongest), *weaker])

    def _usage(self) -> str:
        if self.usage is None:
            return "not recorded"
        if not self.usage.requests:
            return "not used"
        if self.usage.usd is None:
            return f"{self.usage}; the cost is not known, since no prices were given"
        if self.usd_per_millibit is None:
            return f"{self.usage}, for no gain"
        return f"{self.usage}: {self.usd_per_millibit:.3f} USD for each 0.001 bits per byte"

    def _repr_markdown_(self) -> str:
        return markdown_table(self.tag, self.rows())


def summarise(tag: str, experiments: Sequence[Experiment]) -> Summary:
    """Summarise a campaign's experiments, the baseline first."""
    return summary_of(tag, Rows(experiments))


def summary_of(tag: str, rows: Rows) -> Summary:
    """Summarise the experiments of these rows."""
    return Summary(tag, rows.now(), rows.noise, rows.opinion(), rows.usage)


def outcomes(summary: Summary) -> str:
    """Return `3 kept, 1 crashed`, and how many were disturbed where any were."""
    words = f"{summary.kept} kept, {summary.crashed} crashed"
    return f"{words}, {summary.disturbed} disturbed" if summary.disturbed else words
