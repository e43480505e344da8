"""Steps and tokens per second of runs, in words: they tell a slow run from a bad idea."""

from collections.abc import Sequence
from statistics import fmean

from autoresearch_kit.records.runs import Run

APART = 0.05
"""Runs whose steps differ by more than this share of the most are shown one by one."""


def steps_apart(runs: Sequence[Run]) -> bool:
    """Return whether the steps of these runs differ so much that a mean would mislead."""
    steps = [run.steps for run in runs]
    return bool(steps) and max(steps) - min(steps) > APART * max(steps)


def speed(runs: Sequence[Run]) -> str:
    """Return `601 steps, 20,510 tokens/s`, means over the runs; empty if none made a step.

    Where their steps are apart, each run's: `601, 620, 314 steps`.
    """
    if steps_apart(runs):
        return f"{', '.join(f'{run.steps:,}' for run in runs)} steps"
    steps = fmean(run.steps for run in runs) if runs else 0
    if not steps:
        return ""
    return f"{steps:,.0f} steps, {fmean(run.tokens_per_second for run in runs):,.0f} tokens/s"


def speed_by_run(runs: Sequence[Run]) -> str:
    """Return the same; where steps are apart, with each run's score and tokens/s."""
    if not steps_apart(runs):
        return speed(runs)
    return f"{speed(runs)} (run by run: {'; '.join(map(_score_at_speed, runs))})"


def _score_at_speed(run: Run) -> str:
    score = f"{run.score.value:.6f}" if run.score else "no score"
    return f"{score} at {run.tokens_per_second:,.0f} tokens/s"
