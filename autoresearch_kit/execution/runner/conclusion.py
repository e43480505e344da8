"""Conclude what a run came to: its numbers, and the first of its failures that counts, if any."""

import math
from collections.abc import Mapping

from autoresearch_kit.execution import handover
from autoresearch_kit.execution.handover import DETAIL_LENGTH, Failure, Submitted
from autoresearch_kit.execution.runner.deadline import Watchdog, allowed_seconds
from autoresearch_kit.execution.runner.engine import RunEvents
from autoresearch_kit.execution.runner.submission import last_counts, read_claim, reported
from autoresearch_kit.records import Reason, Run, RunSpec
from autoresearch_kit.records.text import both_ends

MEMORY_ERRORS = ("MemoryError", "OutOfMemoryError")  # Python's, and torch's for a GPU


def conclude(
    spec: RunSpec, events: RunEvents, watch: Watchdog, *, ended: float, last_words: str
) -> Run:
    """Return the record of a run whose processes are gone, and that `ended` then.

    `last_words` is the last line that the kernel's process printed.
    """
    work = spec.folder / handover.WORK_FOLDER
    claim = read_claim(work) if watch.submitted is not None else None
    raw = watch.trained
    compiling = _compile_seconds(claim, watch.compiling.granted, raw)
    failure = _failure(spec, events, watch, raw - compiling, last_words)
    if failure is None and claim is None:
        why = f"{handover.SUBMISSION_FILE} can't be read, or its counts are impossible"
        failure = Failure(Reason.BAD_SUBMISSION, why)
    steps, tokens = (claim.steps, claim.tokens) if claim else last_counts(work)
    trained_in = None if watch.training is None else (watch.submitted or ended) - watch.training
    return Run(
        seed=spec.seed,
        score=None,
        failure=failure.reason if failure else None,
        detail=both_ends(failure.detail, DETAIL_LENGTH) if failure else "",
        train_seconds=round(raw - compiling, 3),
        compile_seconds=round(compiling, 3),
        wall_seconds=round(ended - watch.started, 3),
        steps=steps,
        tokens=tokens,
        peak_memory_mb=round(watch.limits.peak_memory_mb, 1),
        sandbox=spec.sandbox,
        parts=_parts(watch, ended),
        conditions=watch.conditions,
        gpu_mb=None if watch.gpu.mb is None else round(watch.gpu.mb, 1),
        gpu_allocated_mb=_allocated_mb(claim, watch.gpu.total_mb),
        clock=spec.clock,
        trained_in=None if trained_in is None else round(trained_in, 3),
    )


def _failure(
    spec: RunSpec, events: RunEvents, watch: Watchdog, seconds: float, last_words: str
) -> Failure | None:
    """Return the runner's own finding, else the notebook's, else what follows from its end."""
    if own := watch.failure or reported(spec.folder / handover.WORK_FOLDER):
        return own
    if watch.submitted is not None:
        if seconds <= allowed_seconds(spec.train_seconds):
            return None
        detail = f"{seconds:.1f} s of training; the budget is {spec.train_seconds:g} s"
        return Failure(Reason.OVER_BUDGET, detail)
    if events.error:
        return _cell_error(events, *events.error)
    if events.lost:
        # before the first editable cell only the kit's own code has run
        reason = Reason.EXITED if events.training else Reason.KIT_FAILED
        return Failure(reason, f"{events.lost}: {last_words}")
    return Failure(Reason.NO_SUBMISSION, "all cells ran, and none handed a model over")


def _cell_error(events: RunEvents, name: str, value: str) -> Failure:
    reason = Reason.ERROR if events.training else Reason.KIT_FAILED
    if name in MEMORY_ERRORS:
        reason = Reason.OUT_OF_MEMORY
    elif name == "SystemExit":
        reason = Reason.EXITED
    return Failure(reason, f"{name}: {value} (in cell '{events.cell}')")


def _compile_seconds(claim: Submitted | None, granted: float, raw: float) -> float:
    if claim is None or not math.isfinite(claim.compile_seconds):
        return 0.0
    return max(0.0, min(claim.compile_seconds, granted, raw))


def _allocated_mb(claim: Submitted | None, total_mb: float) -> float | None:
    """Return the GPU memory that the notebook claims, at most what the GPU has; for people only."""
    claimed = claim.gpu_allocated_mb if claim else None
    if claimed is None or not math.isfinite(claimed) or not total_mb:
        return None
    return round(max(0.0, min(claimed, total_mb)), 1)


def _parts(watch: Watchdog, ended: float) -> Mapping[str, float]:
    """Return the seconds that were no training, by name, without those that were not reached."""
    moments = [
        ("start", watch.started, watch.kernel_ready),
        ("setup", watch.kernel_ready, watch.training),
        ("finish", watch.submitted, ended),
    ]
    return {name: round(end - begin, 3) for name, begin, end in moments if begin and end}
