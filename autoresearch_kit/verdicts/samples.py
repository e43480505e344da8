"""The scores of one code, as verdicts compare them."""

from dataclasses import dataclass, field
from statistics import fmean

from autoresearch_kit.records import VAL_BPB, Metric
from autoresearch_kit.records.text import rounded

RECENT = 6
"""The number of the best's latest runs that count: older ones tell of the machine as it was."""


@dataclass(frozen=True)
class Sample:
    """The scores of one code by a metric, and the syntax-tree nodes of its editable cells.

    `error` is the standard error that the measurement reports of each score, 0 if it reports none.
    `claimed` are the scores with those of runs that were set aside only for the few steps that
    they claim; empty where there are none. See `repeats.claimed`.
    """

    scores: tuple[float, ...]
    nodes: int
    claimed: tuple[float, ...] = field(default=(), kw_only=True)
    metric: Metric = field(default=VAL_BPB, kw_only=True)
    error: float = field(default=0.0, kw_only=True)

    @property
    def mean(self) -> float:
        """Return the mean of the scores."""
        return fmean(self.scores)

    def __str__(self) -> str:
        count = len(self.scores)
        return rounded(self.mean) + (f" (mean of {count})" if count > 1 else "")

    def only(self, scores: tuple[float, ...]) -> "Sample":
        """Return these of its scores by themselves."""
        return Sample(scores, self.nodes, metric=self.metric, error=self.error)


@dataclass(frozen=True)
class Best(Sample):
    """The best: `scores` are from before, those `beside` from re-runs made for this verdict.

    `lost` is what keeps for less code may have lost since the last that was better, in the metric's
    unit. `claimed` is in place of `beside`.
    """

    beside: tuple[float, ...] = ()
    lost: float = 0.0

    @classmethod
    def of(cls, sample: Sample) -> "Best":
        """Return a code as it is held against by what is known of it."""
        return cls(sample.scores, sample.nodes, metric=sample.metric, error=sample.error)

    @property
    def recent(self) -> Sample:
        """Return its latest scores, those beside the challenger's among them."""
        return self.only((*self.scores, *self.beside)[-RECENT:])
