"""A campaign in a few numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from autoresearch_kit.records import Experiment, Run, Usage, Verdict
from autoresearch_kit.text import markdown_table


@dataclass(frozen=True)
class Summary:
    """What came of a campaign. `experiments`, `kept` and `crashed` are after the baseline.

    `hours` are from its first start to its last record, pauses included; `training_share` is the
    share of the runs' wall-clock that was budgeted training. These two and `usage`, what a language
    model took, are None where they were not written down.
    """

    tag: str
    experiments: int
    kept: int
    crashed: int
    baseline: float | None
    best: float | None
    hours: float | None
    training_share: float | None
    usage: Usage | None

    @property
    def gain(self) -> float:
        """By how many bits per byte the best is below the baseline."""
        if self.baseline is None or self.best is None:
            return 0.0
        return self.baseline - self.best

    @property
    def usd_per_millibit(self) -> float | None:
        """US dollars for each 0.001 bits per byte gained; None where either is not known."""
        if self.usage is None or self.usage.usd is None or self.gain <= 0:
            return None
        return self.usage.usd / (self.gain * 1000)

    def rows(self) -> list[tuple[str, str]]:
        """What there is to say, as names and words."""
        tried = f"{self.experiments}: {self.kept} kept, {self.crashed} crashed"
        rows = [("experiments", tried)]
        if self.experiments:
            rows.append(("keep rate", f"{self.kept / self.experiments:.0%}"))
        if self.baseline is not None and self.best is not None:
            gain = f"{self.gain:.6f} ({self.gain / self.baseline:.2%}) lower"
            best = f"{self.best:.6f}, {gain if self.gain else 'no lower'}"
            rows += [("baseline val_bpb", f"{self.baseline:.6f}"), ("best val_bpb", best)]
        return [*rows, ("hours", self._hours()), ("language model", self._usage())]

    def _hours(self) -> str:
        if self.hours is None or self.training_share is None:
            return "not recorded"
        return f"{self.hours:.1f}; {self.training_share:.0%} of the runs' time was training"

    def _usage(self) -> str:
        if self.usage is None:
            return "not recorded"
        if not self.usage.requests:
            return "none was asked"
        if self.usage.usd is None:
            return f"{self.usage}; no prices were given, so no cost is known"
        if self.usd_per_millibit is None:
            return f"{self.usage}, for no gain"
        return f"{self.usage}: {self.usd_per_millibit:.3f} USD for each 0.001 bits per byte"

    def _repr_markdown_(self) -> str:
        return markdown_table(self.tag, self.rows())


def summarise(tag: str, experiments: Sequence[Experiment]) -> Summary:
    """The summary of a campaign's experiments, the baseline first."""
    tried = experiments[1:]
    kept = [one for one in experiments if one.kept]
    return Summary(
        tag=tag,
        experiments=len(tried),
        kept=sum(one.kept for one in tried),
        crashed=sum(one.verdict is Verdict.CRASH for one in tried),
        baseline=experiments[0].val_bpb if experiments else None,
        best=kept[-1].val_bpb if kept else None,
        hours=_hours(experiments),
        training_share=training_share(experiments),
        usage=sum((one.usage for one in experiments), Usage()),
    )


def training_share(experiments: Sequence[Experiment]) -> float:
    """The share of the runs' wall-clock that was budgeted training; 0 where nothing ran."""
    ran = runs(experiments)
    wall = sum(run.wall_seconds for run in ran)
    return sum(run.train_seconds for run in ran) / wall if wall else 0.0


def runs(experiments: Sequence[Experiment]) -> list[Run]:
    """All their runs, those that were mended among them."""
    mended = [attempt.run for one in experiments for attempt in one.proposal.attempts]
    return [*mended, *(run for one in experiments for run in one.runs)]


def _hours(experiments: Sequence[Experiment]) -> float:
    if not experiments:
        return 0.0
    first, last = experiments[0].started, experiments[-1].finished
    seconds = (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()
    return max(0.0, seconds / 3600)  # a clock may have been set back
