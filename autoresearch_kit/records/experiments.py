"""The record of an experiment: one idea, its runs, its verdict."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import fmean

from autoresearch_kit.records.fingerprints import Fingerprint, Leak
from autoresearch_kit.records.proposals import Approval, CellEdit, Constant, Proposal
from autoresearch_kit.records.run_specs import SandboxLevel
from autoresearch_kit.records.runs import Run
from autoresearch_kit.records.scores import Reason
from autoresearch_kit.records.settings import Settings
from autoresearch_kit.records.steps import Profiled
from autoresearch_kit.records.tasks import Bound


class Verdict(StrEnum):
    """The verdict on an experiment. Disturbed: not judged, since the machine was not the same."""

    KEEP = "keep"
    DISCARD = "discard"
    CRASH = "crash"
    DISTURBED = "disturbed"


@dataclass(frozen=True)
class Usage:
    """Requests to an endpoint and their cost, by its own figures.

    `tokens_cached` are among `tokens_in`. `usd` is None where the prices are not known.
    """

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    seconds: float = 0.0
    usd: float | None = None

    @property
    def tokens(self) -> int:
        """Return all tokens, in and out."""
        return self.tokens_in + self.tokens_out

    def __str__(self) -> str:
        usd = "" if self.usd is None else f", {self.usd:.2f} USD"
        requests = "1 request" if self.requests == 1 else f"{self.requests:,} requests"
        return f"{requests}, {self.tokens_in:,} tokens in, {self.tokens_out:,} out{usd}"

    def __add__(self, other: "Usage") -> "Usage":
        known = [usd for usd in (self.usd, other.usd) if usd is not None]
        return Usage(
            self.requests + other.requests,
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.tokens_cached + other.tokens_cached,
            self.seconds + other.seconds,
            sum(known) if known else None,
        )


@dataclass(frozen=True)
class Noise:
    """The spread between runs of the same code: `sigma`, on `dof` degrees of freedom.

    `step` is the smallest difference between two scores so far, which says how coarse the metric
    is; 0 where that is not asked.
    """

    sigma: float
    dof: float
    step: float = 0.0

    def error(self, scores: int) -> float:
        """Return the standard error of the mean of so many scores."""
        return self.sigma / math.sqrt(scores)


@dataclass(frozen=True)
class Gain:
    """The amount by which a code scores better than another, with its standard error.

    `dof` are the noise's degrees of freedom.
    """

    value: float
    error: float
    dof: float


@dataclass(frozen=True)
class Passed:
    """A verdict by which an idea was to be kept, had no other been kept meanwhile.

    `base` is the best that it was built on and held against; `reruns` are runs of that. The edits
    were made to it; `detail` and `gain` are the verdict's.
    """

    base: int
    edits: tuple[CellEdit, ...]
    constants: Mapping[str, Constant]
    runs: tuple[Run, ...]
    reruns: tuple[Run, ...]
    set_aside: tuple[Run, ...]
    detail: str
    gain: Gain | None = None


@dataclass(frozen=True)
class Experiment:
    """One idea, tried: the record that git keeps as `record.json`.

    `nodes` counts the syntax-tree nodes of the editable cells; `constants` are the values in
    `config`; `structure` digests the editable cells with those values left out. `noise` is what the
    verdict was held against. `reruns` are runs of the best that it asked for; `set_aside` are runs
    of either that were not judged, because the machine was not the same. `probes` are short runs of
    its drafts, without a score, that its researcher asked for. `profiled` shows where a step's time
    goes, measured once for each structure that is kept. `gain` is over the best of its time, by the
    runs that the verdict compared; `against` is that best's number, None where there was none, and
    in records of older versions, which tried one experiment after the other. `leak` is the scored
    text that runs could read when its campaign was last started before it; None without a sandbox,
    where all can be read. `bounds` are those in force at its verdict. `approval` is what a person
    said of a keep; git has it beside the record.
    """

    tag: str
    proposal: Proposal
    verdict: Verdict
    reason: Reason
    detail: str
    runs: tuple[Run, ...]
    nodes: int
    constants: Mapping[str, Constant]
    structure: str
    fingerprint: Fingerprint
    settings: Settings
    kit_version: str
    started: str
    finished: str
    usage: Usage = field(default_factory=Usage)
    noise: Noise | None = None
    reruns: tuple[Run, ...] = ()
    set_aside: tuple[Run, ...] = ()
    probes: tuple[Run, ...] = ()
    profiled: Profiled | None = None
    gain: Gain | None = None
    against: int | None = None
    leak: Leak | None = None
    passed: tuple[Passed, ...] = ()
    bounds: tuple[Bound, ...] = ()
    approval: Approval | None = None

    @property
    def unscored_seconds(self) -> float:
        """Return the wall-clock seconds of probes and of the profiling run."""
        profiled = self.profiled.run.wall_seconds if self.profiled else 0.0
        return sum(run.wall_seconds for run in self.probes) + profiled

    @property
    def number(self) -> int:
        """Return its number in the campaign; the baseline is 0."""
        return self.proposal.number

    @property
    def scores(self) -> tuple[float, ...]:
        """Return the scores of its own runs, in the unit of the metric."""
        return tuple(run.score.value for run in self.runs if run.score)

    @property
    def score(self) -> float | None:
        """Return the mean of its scores; None for a crash and where the machine was disturbed."""
        judged = self.verdict in (Verdict.KEEP, Verdict.DISCARD)
        return fmean(self.scores) if judged and self.scores else None

    @property
    def metric(self) -> str:
        """Return the name of the metric that scored it; empty without a score."""
        return next((run.score.metric for run in self.runs if run.score), "")

    @property
    def all_runs(self) -> tuple[Run, ...]:
        """Return all runs: crashed attempts, its own, those of the best, those set aside."""
        mended = tuple(attempt.run for attempt in self.proposal.attempts)
        merged = (run for each in self.passed for run in each.runs + each.reruns + each.set_aside)
        return (*mended, *merged, *self.runs, *self.reruns, *self.set_aside)

    @property
    def sandbox(self) -> SandboxLevel | None:
        """Return the weakest level that one of its own runs had; None if it never ran."""
        levels = (run.sandbox for run in self.runs)
        return max(levels, key=list(SandboxLevel).index, default=None)

    @property
    def error(self) -> float | None:
        """Return the standard error of `score` at the verdict; None if it is not known.

        It is not less than the one that the measurement reported.
        """
        if self.score is None:
            return None
        scores = [run.score for run in self.runs if run.score]
        reported = max(score.errors.get(score.metric, 0.0) for score in scores)
        if self.noise is None:
            return reported or None
        return max(self.noise.error(len(scores)), reported)

    @property
    def kept(self) -> bool:
        """Return whether later experiments may build on it."""
        approved = self.approval is not None and self.approval.approved
        return self.verdict is Verdict.KEEP and (approved or not self._asks)

    @property
    def waits(self) -> bool:
        """Return whether this is a keep that waits for a person's approval."""
        return self.verdict is Verdict.KEEP and self._asks and self.approval is None

    @property
    def _asks(self) -> bool:
        return self.settings.approve and self.number > 0


def best_of(experiments: Sequence[Experiment]) -> Experiment | None:
    """Return the keep that no other keep has replaced, or None before the baseline.

    Experiments finish in any order, so that it need not be the keep with the largest number. Keeps
    for another objective than the first replace none. Where keeps are approved, several may be
    left: then it is the one with the best score.
    """
    keeps = [each for each in experiments if each.kept and each.reason is not Reason.TRADE_OFF]
    replaced = {each.against for each in keeps}
    left = [each for each in keeps if each.number not in replaced]
    return max(left, key=_rank, default=None)


def _rank(kept: Experiment) -> tuple[float, int]:
    """Return what is larger the better a keep scores, if keeps are approved, or the later it is."""
    if not kept.settings.approve or kept.score is None:
        return 0.0, kept.number
    return -kept.settings.task.objective.sign * kept.score, -kept.number


def next_number(experiments: Iterable[Experiment], pending: Iterable[Proposal] = ()) -> int:
    """Return the number of the next proposal: one more than any recorded or pending has."""
    taken = [*(each.number for each in experiments), *(each.number for each in pending)]
    return 1 + max(taken, default=-1)


def by_finish(experiments: Iterable[Experiment]) -> list[Experiment]:
    """Return the experiments in the order in which they finished; at the same time, by number."""
    return sorted(experiments, key=lambda each: (each.finished, each.number))


def judged_since(experiments: Sequence[Experiment], best: Experiment) -> list[Experiment]:
    """Return the experiments that finished after `best`, without disturbed ones."""
    order = by_finish(experiments)
    after = order[1 + next(at for at, each in enumerate(order) if each.number == best.number) :]
    return [each for each in after if each.verdict is not Verdict.DISTURBED]


def profiled_before(experiments: Sequence[Experiment], structure: str) -> Experiment | None:
    """Return the latest profiled experiment with this structure; None if there is none."""
    profiled = (each for each in experiments if each.profiled and each.structure == structure)
    return next(reversed(by_finish(profiled)), None)


def latest_noise(experiments: Sequence[Experiment]) -> Noise | None:
    """Return the noise that the last verdict was held against; None where none was measured."""
    judged = by_finish(each for each in experiments if each.noise)
    return judged[-1].noise if judged else None
