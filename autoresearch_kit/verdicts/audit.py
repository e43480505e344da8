"""The held-out audit: what was kept for its score on val, held against its score on audit.

No verdict and no researcher sees the audit shard. The same models are scored on both, so a gain on
val that audit does not show is no luck of a seed: the search has fitted the val shard.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from autoresearch_kit.records import Experiment, by_finish, latest_noise

ALLOWED_SIGMAS = 2.0
"""Sigmas by which the gain on val may exceed that on audit."""


@dataclass(frozen=True)
class Audited:
    """A keep's scores on both shards, in bits per byte: means over its runs that have both.

    `parted` is the gain on val since the baseline minus the gain on audit: above 0, the search
    gained more where it looked.
    """

    number: int
    val: float
    audit: float
    parted: float


@dataclass(frozen=True)
class SecondOpinion:
    """The keeps that were audited, the baseline first; `warning` is empty if the gains agree.

    `allowed` is what `parted` may be, in bits per byte; None while the noise is not known.
    """

    keeps: tuple[Audited, ...] = ()
    allowed: float | None = None
    warning: str = ""


def second_opinion(experiments: Sequence[Experiment]) -> SecondOpinion:
    """Hold val against audit over a campaign; without an audit of the baseline there is no keep."""
    keeps = tuple(_audited(experiments))
    noise = latest_noise(experiments)
    allowed = ALLOWED_SIGMAS * noise.sigma if noise else None
    return SecondOpinion(keeps, allowed, _warning(keeps, allowed))


def _audited(experiments: Sequence[Experiment]) -> Iterator[Audited]:
    start: tuple[float, float] | None = None
    for experiment in by_finish(experiments):
        runs = [run for run in experiment.runs if run.score and run.audit]
        if not runs:
            continue
        val = fmean(run.score.value for run in runs if run.score)
        audit = fmean(run.audit.value for run in runs if run.audit)
        if experiment.number == 0:
            start = val, audit
        if experiment.kept and start:
            yield Audited(experiment.number, val, audit, (start[0] - val) - (start[1] - audit))


def _warning(keeps: Sequence[Audited], allowed: float | None) -> str:
    if allowed is None or not keeps or keeps[-1].parted <= allowed:
        return ""
    start, last = keeps[0], keeps[-1]
    first = next(keep.number for keep in keeps if keep.parted > allowed)
    return (
        f"since the baseline, experiment {last.number} gained {start.val - last.val:.6f} bits per "
        f"byte on val and {start.audit - last.audit:.6f} on audit: they part by {last.parted:.6f}, "
        f"more than {ALLOWED_SIGMAS:g} sigma ({allowed:.6f}), since experiment {first}. The search "
        f"fits the val shard: believe the gain on audit, and go on from a keep before experiment "
        f"{first}, in a new campaign on other text"
    )
