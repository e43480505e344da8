"""The table of a campaign's experiments, which summaries, figures and the panel are made from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from statistics import fmean

from autoresearch_kit.ledger import Entry
from autoresearch_kit.records import (
    Experiment,
    Noise,
    Reason,
    SandboxLevel,
    Verdict,
    latest_noise,
    speed,
    strongest,
    values_of,
)
from autoresearch_kit.reports.experiment_time import SlotShare, seconds_by_part, shares_by_slot
from autoresearch_kit.researchers.spending import per
from autoresearch_kit.verdicts.estimates import Estimate, error_between, estimate
from autoresearch_kit.verdicts.runs_by_code import reported, scores_by_code


@dataclass(frozen=True)
class Row:
    """An experiment as it is shown; numbers are None where they were not measured.

    `own_scores` are the scores of its code so far, in the unit of the first objective: of its own
    runs, and of later runs while it was the best. `score` is their mean, `score_se` its standard
    error and `scores` their number; `against` is the number of the best that it was held against,
    and `delta` is its score minus that best's; `best` is the score of the best once this row's
    experiment had finished. All of these but `against` change as later experiments are added.
    `reported_se` is the standard error that its measurement reported itself, 0 if none.
    `values` are the means of all other metrics over its own runs, by name. `trusted`: it was
    measured beside the hidden data. `waits` is a keep that no person has approved yet; one that is
    `held` is not built on, since it waits or was rejected. `weaker` says that it ran in a weaker
    sandbox than other experiments of the campaign.

    Seconds are sums over everything that the experiment took; `unscored_seconds` are those of
    probes and of a profile, which `wall_seconds` leave out; `parts` divides all of them. Steps,
    tokens and tokens/s are means over its own runs, memory (MB) is the highest. `rerun` and
    `set_aside` count runs of the best that it asked for, and runs that were not judged. `slots`
    names the slots that carried out its runs, `by_slot` says what each did; both have an empty name
    in records of older versions.
    """

    number: int
    status: Verdict
    reason: str = ""
    score: float | None = None
    score_se: float | None = None
    scores: int = 0
    delta: float | None = None
    delta_se: float | None = None
    best: float | None = None
    audit: float | None = None
    idea: str = ""
    hypothesis: str = ""
    researcher: str = ""
    category: str = ""
    parent: int | None = None
    against: int | None = None
    retry_of: int | None = None
    train_seconds: float | None = None
    wall_seconds: float | None = None
    unscored_seconds: float | None = None
    speed: str = ""
    steps: float | None = None
    tokens: float | None = None
    tokens_per_second: float | None = None
    memory_mb: float | None = None
    gpu_memory_mb: float | None = None
    nodes: int | None = None
    requests: int | None = None
    prompt_tokens: int | None = None
    reply_tokens: int | None = None
    usd: float | None = None
    cost: str = ""
    runs: int = 1
    rerun: int = 0
    set_aside: int = 0
    slots: str = ""
    sandbox: SandboxLevel | None = None
    weaker: bool = False
    trusted: bool = False
    waits: bool = False
    held: bool = False
    detail: str = ""
    started: datetime | None = None
    finished: datetime | None = None
    commit: str = ""
    own_scores: tuple[float, ...] = ()
    reported_se: float = 0.0
    values: Mapping[str, float] = field(default_factory=dict)
    parts: Mapping[str, float] = field(default_factory=dict)
    by_slot: Mapping[str, SlotShare] = field(default_factory=dict)

    @property
    def estimate(self) -> Estimate | None:
        """Return the score with its standard error; None without a score."""
        return None if self.score is None else Estimate(self.score, self.scores, self.score_se)

    @property
    def leads(self) -> bool:
        """Return whether it became the best: kept, not as a trade-off alone, and not held."""
        return self.status is Verdict.KEEP and self.reason != Reason.TRADE_OFF and not self.held

    @property
    def seconds(self) -> float:
        """Return the wall-clock seconds of all runs of the experiment."""
        return (self.wall_seconds or 0.0) + (self.unscored_seconds or 0.0)


def rows_of(entries: Sequence[Entry]) -> tuple[Row, ...]:
    """Return the rows of a campaign's experiments, by what is known now."""
    experiments = [entry.experiment for entry in entries]
    scores = scores_by_code(experiments)
    rows = [_row(entry, scores.get(entry.experiment.number, ())) for entry in entries]
    return compared(rows, latest_noise(experiments))


def by_finish(rows: Iterable[Row]) -> list[Row]:
    """Return the rows in the order in which their experiments finished; by number without times."""

    def when(row: Row) -> tuple[float, int]:
        return row.finished.timestamp() if row.finished else 0.0, row.number

    return sorted(rows, key=when)


def compared(rows: Sequence[Row], noise: Noise | None) -> tuple[Row, ...]:
    """Return the rows, in their order, with what follows from all scores and from the noise.

    A row that does not say what it was held against was held against the best of its time.
    """
    level = strongest(row.sandbox for row in rows if row.sandbox)
    known = {row.number: own for row in rows if (own := _estimate(row, noise))}
    result: dict[int, Row] = {}
    best: int | None = None
    for row in by_finish(rows):
        own, against = known.get(row.number), best if row.against is None else row.against
        before = None if against is None else known.get(against)
        best = row.number if own and row.leads else best
        result[row.number] = replace(
            row,
            score=own.value if own else None,
            score_se=own.error if own else None,
            scores=own.scores if own else 0,
            against=against,
            delta=own.value - before.value if own and before else None,
            delta_se=error_between(own, before) if own and before else None,
            best=None if best is None else known[best].value,
            weaker=row.sandbox not in (None, level),
        )
    return tuple(result[row.number] for row in rows)


def _estimate(row: Row, noise: Noise | None) -> Estimate | None:
    judged = row.status in (Verdict.KEEP, Verdict.DISCARD)
    return estimate(row.own_scores, noise, row.reported_se) if judged and row.own_scores else None


def _row(entry: Entry, own_scores: tuple[float, ...]) -> Row:
    experiment = entry.experiment
    runs, task = experiment.runs, experiment.settings.task
    return replace(
        _timed(_proposed(experiment), experiment),
        commit=entry.code_commit,
        own_scores=own_scores,
        reported_se=reported(runs, task.objective),
        values=values_of(runs),
        audit=_mean(run.audit.value for run in runs if run.audit),
        trusted=any(run.score.trusted for run in runs if run.score),
        speed=speed(runs),
        steps=_mean(run.steps for run in runs),
        tokens=_mean(run.tokens for run in runs),
        tokens_per_second=_mean(run.tokens_per_second for run in runs),
        memory_mb=max((run.peak_memory_mb for run in runs), default=None),
        gpu_memory_mb=max((run.gpu_mb for run in runs if run.gpu_mb is not None), default=None),
        sandbox=experiment.sandbox,
    )


def _proposed(experiment: Experiment) -> Row:
    """Return an experiment's row with what was proposed, at what cost, and the verdict on it."""
    proposal, usage = experiment.proposal, experiment.usage
    return Row(
        number=experiment.number,
        status=experiment.verdict,
        reason=experiment.reason,
        detail=experiment.detail,
        waits=experiment.waits,
        held=experiment.verdict is Verdict.KEEP and not experiment.kept,
        against=experiment.against,
        nodes=experiment.nodes,
        idea=proposal.idea,
        hypothesis=proposal.hypothesis,
        researcher=proposal.researcher,
        category=proposal.category,
        parent=proposal.parent,
        retry_of=proposal.retry_of,
        requests=usage.requests,
        prompt_tokens=usage.tokens_in,
        reply_tokens=usage.tokens_out,
        usd=usage.usd,
        cost=per(usage, 1) if usage.requests else "",
    )


def _timed(row: Row, experiment: Experiment) -> Row:
    """Return the row with the number of runs, and their time."""
    everything, by_slot = experiment.all_runs, shares_by_slot(experiment)
    return replace(
        row,
        runs=len(experiment.runs),
        rerun=len(experiment.reruns),
        set_aside=len(experiment.set_aside),
        started=datetime.fromisoformat(experiment.started),
        finished=datetime.fromisoformat(experiment.finished),
        train_seconds=sum(run.train_seconds for run in everything) if everything else None,
        wall_seconds=sum(run.wall_seconds for run in everything) if everything else None,
        unscored_seconds=experiment.unscored_seconds,
        parts=seconds_by_part(experiment),
        slots=", ".join(sorted(by_slot)),
        by_slot=by_slot,
    )


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return fmean(known) if known else None
