"""A campaign in a few numbers."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from autoresearch_kit.records import (
    Experiment,
    Noise,
    SandboxLevel,
    Usage,
    Verdict,
    latest_noise,
)
from autoresearch_kit.records.digits import with_error
from autoresearch_kit.records.text import markdown_table
from autoresearch_kit.reports.spent import NOTHING, Spent, seconds_between, spent
from autoresearch_kit.verdicts.audit import second_opinion
from autoresearch_kit.verdicts.estimates import best_estimate, estimates
from autoresearch_kit.verdicts.noise import describe


@dataclass(frozen=True)
class ExtraRuns:
    """Runs beyond one an experiment: repeats of its own code, runs of the best that it asked for,
    and those that were set aside because the machine was busy."""

    repeats: int = 0
    of_best: int = 0
    set_aside: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.repeats + self.of_best + self.set_aside

    def __str__(self) -> str:
        parts = ((self.repeats, "repeats"), (self.of_best, "of the best"),
                 (self.set_aside, "set aside"))  # fmt: skip
        told = ", ".join(f"{count} {what}" for count, what in parts if count)
        return f"{self.total} ({told})" if told else "none"


@dataclass(frozen=True)
class Summary:
    """What came of a campaign. `experiments`, `kept`, `crashed` and `disturbed`, which were not
    judged, are after the baseline.

    `baseline` and `best` are means of all scores that their code has by now, with their standard
    errors, which are None without a `noise`. `sandboxes` counts the experiments of each level.
    `warning` is that val and audit part.

    `hours` are from its first start to its last record, pauses included; `spent` says where they
    went, pauses left out. `hours` and `usage`, what a language model took, are None where they were
    not written down; `spent` is nothing then.
    """

    tag: str
    experiments: int
    kept: int
    crashed: int
    baseline: float | None
    best: float | None
    hours: float | None
    usage: Usage | None
    spent: Spent = NOTHING
    baseline_error: float | None = None
    best_error: float | None = None
    noise: Noise | None = None
    extra: ExtraRuns = field(default_factory=ExtraRuns)
    sandboxes: Mapping[SandboxLevel, int] = field(default_factory=dict)
    warning: str = ""
    disturbed: int = 0

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
        rows = [("experiments", f"{self.experiments}: {outcomes(self)}")]
        if judged := self.experiments - self.disturbed:
            rows.append(("keep rate", f"{self.kept / judged:.0%}"))
        if self.baseline is not None and self.best is not None:
            rows += [
                ("baseline val_bpb", with_error(self.baseline, self.baseline_error)),
                ("best val_bpb", f"{with_error(self.best, self.best_error)}, {self._lower()}"),
            ]
        if self.noise:
            rows.append(("noise", describe(self.noise)))
        if self.extra.total:
            rows.append(("extra runs", str(self.extra)))
        rows += [("hours", self._hours()), ("language model", self._usage())]
        if self.sandboxes:
            rows.append(("sandbox", self._sandbox()))
        return [*rows, ("warning", self.warning)] if self.warning else rows

    def _lower(self) -> str:
        if self.baseline is None or self.gain <= 0:
            return "no lower"
        error = None
        if self.baseline_error is not None and self.best_error is not None:
            error = math.hypot(self.baseline_error, self.best_error)
        return f"{with_error(self.gain, error)} ({self.gain / self.baseline:.2%}) lower"

    def _sandbox(self) -> str:
        """Which one, and where it was weaker: there, notebook code could do more than elsewhere."""
        strongest, *others = [level for level in SandboxLevel if level in self.sandboxes]
        ran = sum(self.sandboxes.values())
        weaker = [f"but {level} in {self.sandboxes[level]} of {ran}" for level in others]
        return ", ".join([str(strongest), *weaker])

    def _hours(self) -> str:
        if self.hours is None:
            return "not recorded"
        return f"{self.hours:.1f}; {self.spent}"

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
    known = estimates(experiments)
    baseline, best = known.get(0), best_estimate(experiments)
    levels = [one.sandbox for one in experiments]
    return Summary(
        tag=tag,
        experiments=len(tried),
        kept=sum(one.kept for one in tried),
        crashed=sum(one.verdict is Verdict.CRASH for one in tried),
        baseline=baseline.value if baseline else None,
        best=best.value if best else None,
        hours=_hours(experiments),
        usage=sum((one.usage for one in experiments), Usage()),
        spent=spent(experiments),
        baseline_error=baseline.error if baseline else None,
        best_error=best.error if best else None,
        noise=latest_noise(experiments),
        extra=extra_runs(experiments),
        sandboxes=Counter(level for level in levels if level),
        warning=second_opinion(experiments).warning,
        disturbed=sum(one.verdict is Verdict.DISTURBED for one in tried),
    )


class Outcomes(Protocol):
    """What counts the outcomes of a campaign's experiments."""

    @property
    def kept(self) -> int:
        """How many were kept."""

    @property
    def crashed(self) -> int:
        """How many crashed."""

    @property
    def disturbed(self) -> int:
        """How many were not judged."""


def outcomes(counted: Outcomes) -> str:
    """Return `3 kept, 1 crashed`; how many were disturbed is said where any were."""
    words = f"{counted.kept} kept, {counted.crashed} crashed"
    return f"{words}, {counted.disturbed} disturbed" if counted.disturbed else words


def extra_runs(experiments: Sequence[Experiment]) -> ExtraRuns:
    """What was run beyond one run an experiment, and not to mend a bug."""
    return ExtraRuns(
        repeats=sum(max(0, len(one.runs) - 1) for one in experiments),
        of_best=sum(len(one.reruns) for one in experiments),
        set_aside=sum(len(one.set_aside) for one in experiments),
    )


def _hours(experiments: Sequence[Experiment]) -> float:
    if not experiments:
        return 0.0
    first, last = experiments[0].started, experiments[-1].finished
    return seconds_between(first, last) / 3600
