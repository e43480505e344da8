"""The table of a campaign's experiments, which summaries, figures and the panel are made from.

Of each experiment only what is shown is kept, so that the table of 1,000 experiments stays small,
and a new experiment is added without reading the others again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from autoresearch_kit.records import (
    Experiment,
    Noise,
    Run,
    SandboxLevel,
    Usage,
    Verdict,
    speed,
    strongest,
)
from autoresearch_kit.reports.spent import seconds_by_part
from autoresearch_kit.researchers.spending import per
from autoresearch_kit.tasks.lm.task import TASK
from autoresearch_kit.verdicts.audit import SecondOpinion, second_opinion
from autoresearch_kit.verdicts.estimates import Estimate, error_between, estimate
from autoresearch_kit.verdicts.noise import scores_of
from autoresearch_kit.verdicts.validity import as_fast

OBJECTIVE = TASK.objective.name
"""The name of the column of scores in tables."""


@dataclass(frozen=True)
class Row:
    """An experiment as it is shown.

    `scored` are the scores that its code has by now, in bits per byte: those of its own runs, and
    of later runs while it was the best. `estimate` is their mean and `best` the mean of the best up
    to this row, both by the latest noise; `delta` is against the best before it, negative for an
    improvement. These four change as later experiments are added. `weaker` says that it ran in a
    weaker sandbox than other experiments of the campaign.

    Numbers are None where they were not measured. Seconds are sums over everything that the
    experiment took; `unscored_seconds` are those of probes and of a profile, which `wall_seconds`
    leave out; `parts` divides all of them. Steps, tokens and tokens/s are means over its own runs,
    memory (MB) is the highest. `rerun` and `set_aside` count runs of the best that it asked for,
    and runs that were not judged. Times are in ISO 8601.
    """

    number: int
    status: Verdict
    idea: str
    scored: tuple[float, ...]
    commit: str
    reason: str = ""
    detail: str = ""
    hypothesis: str = ""
    researcher: str = ""
    category: str = ""
    parent: int | None = None
    retry_of: int | None = None
    nodes: int | None = None
    usage: Usage | None = None
    runs: int = 1
    rerun: int = 0
    set_aside: int = 0
    sandbox: SandboxLevel | None = None
    speed: str = ""
    started: str | None = None
    finished: str | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    train_seconds: float | None = None
    wall_seconds: float | None = None
    unscored_seconds: float | None = None
    audit: float | None = None
    steps: float | None = None
    tokens: float | None = None
    tokens_per_second: float | None = None
    memory_mb: float | None = None
    gpu_memory_mb: float | None = None
    estimate: Estimate | None = None
    best_estimate: Estimate | None = None
    delta: float | None = None
    delta_error: float | None = None
    weaker: bool = False

    @property
    def score(self) -> float | None:
        """Return the mean of its scores."""
        return self.estimate.value if self.estimate else None

    @property
    def error(self) -> float | None:
        """Return the standard error of `score`."""
        return self.estimate.error if self.estimate else None

    @property
    def scores(self) -> int:
        """Return how many scores `score` is the mean of."""
        return self.estimate.scores if self.estimate else 0

    @property
    def best(self) -> float | None:
        """Return the score of the best up to this row."""
        return self.best_estimate.value if self.best_estimate else None

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of everything that it took."""
        return (self.wall_seconds or 0.0) + (self.unscored_seconds or 0.0)

    @property
    def cost(self) -> str:
        """Return what a language model took, in words; empty if none was asked."""
        return per(self.usage, 1) if self.usage and self.usage.requests else ""


class Rows:
    """The rows of a campaign, to which experiments are added in order.

    `noise` is the latest known, `usage` what a language model took in all.
    """

    def __init__(self, experiments: Iterable[Experiment] = ()) -> None:
        self.noise: Noise | None = None
        self.usage = Usage()
        self._rows: list[Row] = []
        self._keeps: list[Experiment] = []
        self._best_runs: list[Run] = []
        self._best_row = 0
        for experiment in experiments:
            self.add(experiment)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, experiment: Experiment, commit: str = "") -> None:
        """Add the next experiment, whose code is in `commit`."""
        if experiment.rerun_scores:  # runs of the best of that time
            self._best_runs = [*as_fast(self._best_runs, experiment.reruns), *experiment.reruns]
            best = self._best_row
            self._rows[best] = replace(self._rows[best], scored=scores_of(self._best_runs))
        self.usage += experiment.usage
        self.noise = experiment.noise or self.noise
        if experiment.kept:
            self._keeps.append(experiment)
            self._best_row = len(self._rows)
            self._best_runs = list(experiment.runs)
        self._rows.append(_row(experiment, commit))

    def now(self) -> tuple[Row, ...]:
        """Return all rows, by what is known now."""
        return compared(self._rows, self.noise)

    def opinion(self) -> SecondOpinion:
        """Return the gains of the keeps on val, held against those on audit."""
        return second_opinion([replace(keep, noise=self.noise) for keep in self._keeps])


def compared(rows: Sequence[Row], noise: Noise | None) -> tuple[Row, ...]:
    """Return the rows with what follows from all scores and from the noise."""
    result: list[Row] = []
    best: Estimate | None = None
    level = strongest(row.sandbox for row in rows if row.sandbox)
    for row in rows:
        judged = row.status in (Verdict.KEEP, Verdict.DISCARD)
        known = estimate(row.scored, noise) if judged and row.scored else None
        delta = known.value - best.value if known and best else None
        delta_error = error_between(known, best) if known and best else None
        best = known if known and row.status is Verdict.KEEP else best
        result.append(
            replace(
                row,
                estimate=known,
                best_estimate=best,
                delta=delta,
                delta_error=delta_error,
                weaker=row.sandbox not in (None, level),
            )
        )
    return tuple(result)


def _row(experiment: Experiment, commit: str) -> Row:
    proposal, runs, everything = experiment.proposal, experiment.runs, experiment.all_runs
    row = Row(
        number=experiment.number,
        status=experiment.verdict,
        reason=experiment.reason,
        detail=experiment.detail,
        idea=proposal.idea,
        hypothesis=proposal.hypothesis,
        researcher=proposal.researcher,
        category=proposal.category,
        parent=proposal.parent,
        retry_of=proposal.retry_of,
        commit=commit,
        scored=experiment.scores,
        nodes=experiment.nodes,
        usage=experiment.usage,
        runs=len(runs),
        rerun=len(experiment.reruns),
        set_aside=len(experiment.set_aside),
        sandbox=experiment.sandbox,
        speed=speed(runs),
        started=experiment.started,
        finished=experiment.finished,
        parts=seconds_by_part(experiment),
        unscored_seconds=experiment.unscored_seconds,
        train_seconds=sum(run.train_seconds for run in everything) if everything else None,
        wall_seconds=sum(run.wall_seconds for run in everything) if everything else None,
    )
    return _measured(row, runs) if runs else row


def _measured(row: Row, runs: Sequence[Run]) -> Row:
    """Return the row with what its experiment's own runs measured."""
    audits = [run.audit.value for run in runs if run.audit]
    return replace(
        row,
        audit=fmean(audits) if audits else None,
        steps=fmean(run.steps for run in runs),
        tokens=fmean(run.tokens for run in runs),
        tokens_per_second=fmean(run.tokens_per_second for run in runs),
        memory_mb=max(run.peak_memory_mb for run in runs),
        gpu_memory_mb=max((run.gpu_mb for run in runs if run.gpu_mb is not None), default=None),
    )
