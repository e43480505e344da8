"""A campaign's experiments as rows of a table that is looked at again and again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from autoresearch_kit.ledger import Entry
from autoresearch_kit.records import Noise, SandboxLevel, Verdict, speed, strongest
from autoresearch_kit.researchers.spending import per
from autoresearch_kit.verdicts.estimates import Estimate, estimate


@dataclass(frozen=True)
class Row:
    """An experiment as a table shows it. `seconds` are of all that it took, probes and its profile
    among them; `speed` is its runs' steps and tokens/s in words; `retry_of` is the number of the
    disturbed experiment that it tries again.

    `known` and `delta`, which is against the best before it, are by now: they change where a later
    experiment ran the best again, or found the noise to be another. `weaker` says that the sandbox
    was weaker than elsewhere in the campaign.
    """

    number: int
    verdict: Verdict
    reason: str
    detail: str
    idea: str
    seconds: float
    cost: str
    commit: str
    scores: tuple[float, ...]
    sandbox: SandboxLevel | None
    speed: str = ""
    retry_of: int | None = None
    known: Estimate | None = None
    delta: float | None = None
    weaker: bool = False

    @property
    def val_bpb(self) -> float | None:
        """The mean of its scores."""
        return self.known.value if self.known else None


def row_of(entry: Entry) -> Row:
    """The row of an experiment, before it is put among the others."""
    one = entry.experiment
    return Row(
        number=one.number,
        verdict=one.verdict,
        reason=one.reason,
        detail=one.detail,
        idea=one.proposal.idea,
        seconds=sum(run.wall_seconds for run in one.all_runs) + one.unscored_seconds,
        cost=per(one.usage, 1) if one.usage.requests else "",
        commit=entry.code_commit,
        scores=one.scores,
        sandbox=one.sandbox,
        speed=speed(one.runs),
        retry_of=one.proposal.retry_of,
    )


def by_now(rows: Sequence[Row], noise: Noise | None) -> list[Row]:
    """The rows with what follows from all scores and from the latest noise."""
    found: list[Row] = []
    best: Estimate | None = None
    level = strongest(row.sandbox for row in rows if row.sandbox)
    for row in rows:
        scored = row.scores and row.verdict in (Verdict.KEEP, Verdict.DISCARD)
        known = estimate(row.scores, noise) if scored else None
        delta = known.value - best.value if known and best else None
        weaker = row.sandbox not in (None, level)
        found.append(replace(row, known=known, delta=delta, weaker=weaker))
        best = known if row.verdict is Verdict.KEEP else best
    return found


def to_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """What the picture of the campaign needs of each experiment."""
    columns = {
        "number": [row.number for row in rows],
        "status": [row.verdict.value for row in rows],
        "val_bpb": pd.array([row.val_bpb for row in rows], dtype="Float64"),
        "error": pd.array(
            [row.known.error if row.known else None for row in rows], dtype="Float64"
        ),
        "scores": [len(row.scores) for row in rows],
        "sandbox": [row.sandbox or "" for row in rows],
        "idea": [row.idea for row in rows],
    }
    return pd.DataFrame(columns).astype({"val_bpb": "float64", "error": "float64"})
