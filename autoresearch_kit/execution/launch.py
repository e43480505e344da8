"""Carries out one run from the outside: starts its runner, waits, has the submission scored.

Whatever happens to the runner, the notebook or the caller: nothing is left running.
"""

import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from autoresearch_kit import codec
from autoresearch_kit.atomic import write_atomic
from autoresearch_kit.errors import Cancelled, InputError
from autoresearch_kit.execution import compile_cache, handover, reap, scoring
from autoresearch_kit.execution.child import last_line, run_child
from autoresearch_kit.execution.grading import ScoreFailure
from autoresearch_kit.execution.taking import taken_model
from autoresearch_kit.lm.splits import Split
from autoresearch_kit.records import Reason, Run, RunSpec, Score
from autoresearch_kit.text import one_line

logger = logging.getLogger(__name__)

MODULE = "autoresearch_kit.execution.runner"
SPEC_FILE = "spec.json"

AUDIT_FOLDER = "audit"
"""Under the run's folder, out of the sandbox's reach: what the judge of the audit shard writes."""

GRACE_SECONDS = 60.0
"""On top of a run's own deadline, before the runner is taken to hang."""


def execute(
    spec: RunSpec, *, cancelled: Callable[[], bool] = lambda: False, poll_seconds: float = 0.1
) -> Run:
    """Runs the notebook of `spec` and scores what it hands over: a run with a score or a failure.

    The run's folder and notebook are there; the executed notebook is, from then on, always one.
    `cancelled` is asked every `poll_seconds`. Of an earlier attempt in the same folder nothing
    stays. A runner that dies or hangs makes a run that failed as `KIT_FAILED`.

    Raises:
        Cancelled: `cancelled` said so; everything was killed.
        ExecutionError: a process can't be killed.
    """
    started = time.monotonic()
    reap.reap(spec.run_id)
    _lay_out(spec)
    try:
        status = _run(spec, cancelled, poll_seconds, started)
        run = _read(spec, status, time.monotonic() - started)
        if run.failure is None:
            run = _score(spec, run, cancelled)
        if run.score is not None:
            compile_cache.take_back(
                spec.compile_cache, compile_cache.code_of(spec.notebook), _work(spec)
            )
    finally:
        shutil.rmtree(_work(spec) / compile_cache.FOLDER, ignore_errors=True)
    handover.write_live(spec.folder, "done")
    return replace(run, wall_seconds=round(time.monotonic() - started, 3))


def _work(spec: RunSpec) -> Path:
    return spec.folder / handover.WORK_FOLDER


def _lay_out(spec: RunSpec) -> None:
    shutil.rmtree(_work(spec), ignore_errors=True)
    for left in (spec.folder / handover.RUN_FILE, taken_model(spec.folder)):
        left.unlink(missing_ok=True)
    write_atomic(spec.folder / handover.EXECUTED_FILE, spec.notebook.read_bytes())
    write_atomic(spec.folder / SPEC_FILE, codec.encode(spec))
    handover.write_live(spec.folder, "start")


def _run(
    spec: RunSpec, cancelled: Callable[[], bool], poll_seconds: float, started: float
) -> int | None:
    """The runner's exit status, None if it hung."""
    return run_child(
        [MODULE, str(spec.folder / SPEC_FILE), repr(started)],
        folder=spec.folder,
        kit=spec.kit,
        run_id=spec.run_id,
        log=spec.folder / handover.LOG_FILE,
        deadline=started + spec.wall_seconds + GRACE_SECONDS,
        poll=lambda: _obey(cancelled),
        poll_seconds=poll_seconds,
    )


def _obey(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise Cancelled("the run was stopped; its processes were killed")


def _read(spec: RunSpec, status: int | None, seconds: float) -> Run:
    """What the runner wrote, or what there is to say if it wrote nothing."""
    path = spec.folder / handover.RUN_FILE
    try:
        if status == 0:
            return codec.decode(Run, path.read_bytes())
    except (OSError, InputError) as error:
        return _failed(spec, f"the runner's record can't be read: {error}", seconds)
    if status is None:
        return _failed(spec, "the runner did not end by itself", seconds)
    said = last_line(spec.folder / handover.LOG_FILE)
    return _failed(spec, f"the runner ended with status {status}: {said}", seconds)


def _failed(spec: RunSpec, detail: str, seconds: float) -> Run:
    return Run(
        seed=spec.seed,
        score=None,
        failure=Reason.KIT_FAILED,
        detail=one_line(detail, 500),
        train_seconds=0.0,
        compile_seconds=0.0,
        wall_seconds=round(seconds, 3),
        steps=0,
        tokens=0,
        peak_memory_mb=0.0,
        sandbox=spec.sandbox,
    )


def audit(spec: RunSpec, run: Run, *, cancelled: Callable[[], bool] = lambda: False) -> Run:
    """The run with the score of its submission, still lying in its folder, on the audit shard.

    No verdict hangs on it: where it can't be had, a warning is logged and the run comes back as it
    was.

    Raises:
        Cancelled: `cancelled` said so; everything was killed.
        ExecutionError: a process can't be killed.
    """
    begun = time.monotonic()
    folder = spec.folder / AUDIT_FOLDER
    try:
        folder.mkdir(exist_ok=True)
        score = _scored(spec, folder, Split.AUDIT, cancelled)
    except (ScoreFailure, OSError) as failure:
        logger.warning("%s could not be audited: %s", spec.folder.name, failure)
        return run
    seconds = round(time.monotonic() - begun, 3)
    parts = {**run.parts, "audit": seconds}
    wall_seconds = round(run.wall_seconds + seconds, 3)
    return replace(run, audit=score, parts=parts, wall_seconds=wall_seconds)


def _score(spec: RunSpec, run: Run, cancelled: Callable[[], bool]) -> Run:
    begun = time.monotonic()
    try:
        score = _scored(spec, spec.folder, Split.VAL, cancelled)
    except ScoreFailure as failure:
        run = replace(run, failure=failure.reason, detail=one_line(failure.detail, 500))
    else:
        run = replace(run, score=score)
    return replace(run, parts={**run.parts, "score": round(time.monotonic() - begun, 3)})


def _scored(spec: RunSpec, folder: Path, shard: Split, cancelled: Callable[[], bool]) -> Score:
    return scoring.score(
        spec.dataset,
        taken_model(spec.folder),
        folder=folder,
        kit=spec.kit,
        level=spec.sandbox,
        run_id=spec.run_id,
        memory_mb=spec.memory_mb,
        shard=shard.value,
        poll=lambda: _obey(cancelled),
    )
