"""The speed of runs, in words."""

from collections.abc import Sequence
from statistics import fmean

from autoresearch_kit.records.runs import Run
from autoresearch_kit.records.text import rounded

STEPS_APART = 0.05
"""Runs whose steps differ by more than this share of the most are shown one by one."""


def steps_apart(runs: Sequence[Run]) -> bool:
    """Return whether the steps of these runs differ so much that a mean would mislead."""
    steps = [run.steps for run in runs]
    return bool(steps) and max(steps) - min(steps) > STEPS_APART * max(steps)


def speed(runs: Sequence[Run]) -> str:
    """Return `601 steps, 20,510 tokens/s`, means over the runs; empty if none made a step.

    Tokens are left out where none were counted. Where their steps are apart, each run's:
    `1,601 / 1,620 / 314 steps`.
    """
    if steps_apart(runs):
        return f"{' / '.join(f'{run.steps:,}' for run in runs)} steps"
    steps = fmean(run.steps for run in runs) if runs else 0
    if not steps:
        return ""
    tokens = f", {fmean(run.tokens_per_second for run in runs):,.0f} tokens/s"
    return f"{steps:,.0f} steps{tokens if any(run.tokens for run in runs) else ''}"


def speed_by_run(runs: Sequence[Run]) -> str:
    """Return `speed`; where steps are apart, with each run's score and tokens/s."""
    if not steps_apart(runs):
        return speed(runs)
    each = (
        (rounded(run.score.value) if run.score else "no score")
        + (f" at {run.tokens_per_second:,.0f} tokens/s" if run.tokens else "")
        for run in runs
    )
    return f"{speed(runs)} (run by run: {'; '.join(each)})"
