"""Carries out one run from the outside: starts its runner, waits, has the submission scored.

Whatever happens to the runner, the notebook or the caller: nothing is left running.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_kit.errors import Cancelled, InputError, KitError, in_words
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.ahead import Ahead
from autoresearch_kit.execution.judge import scoring
from autoresearch_kit.execution.judge.grading import JudgeSpec, ScoreFailure
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.processes.child import Child, last_line, start_child
from autoresearch_kit.execution.runner import compile_cache
from autoresearch_kit.execution.runner.taking import taken_model
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.records import CacheUse, Reason, Run, RunPlace, RunSpec, codec
from autoresearch_kit.records.text import one_line
from autoresearch_kit.tasks.lm.splits import Split

logger = logging.getLogger(__name__)

MODULE = "autoresearch_kit.execution.runner.runner"

AUDIT_FOLDER = "audit"
"""Under the run's folder, out of the sandbox's reach: what the judge of the audit shard writes."""

GRACE_SECONDS = 60.0
"""On top of a run's own deadline, before the runner is taken to hang."""


@dataclass(frozen=True)
class Waiting:
    """A runner with its kernel, started in the place of a run and waiting for its turn."""

    place: RunPlace
    runner: Child


def prepare(place: RunPlace) -> Waiting:
    """Start a runner and its kernel. Of an earlier attempt in the same place nothing stays.

    Raises:
        ExecutionError: a process of that can't be killed.
    """
    end_run(place.run_id)
    _lay_out(place)
    runner = start_child(
        [MODULE, str(place.folder)],
        folder=place.folder,
        kit=place.kit,
        run_id=place.run_id,
        log=place.folder / handover.LOG_FILE,
        gpu=place.gpu,
    )
    return Waiting(place, runner)


def end_run(run_id: str) -> None:
    """End all processes of a run and of its judge, whoever started them.

    Raises:
        ExecutionError: one can't be killed.
    """
    for carried in (run_id, scoring.judge_id(run_id)):
        reap.reap(carried)


def execute(
    spec: RunSpec,
    waiting: Waiting | None = None,
    *,
    cancelled: Callable[[], bool] = lambda: False,
    meanwhile: Callable[[], None] = lambda: None,
    poll_seconds: float = 0.1,
) -> Run:
    """Runs the notebook of `spec` and scores what it hands over: a run with a score or a failure.

    The run's folder and notebook are there; the executed notebook is, from then on, always one.
    `waiting` is the runner that waits in the run's place; without one, it is started now.
    `cancelled` is asked every `poll_seconds`. `meanwhile` starts what comes next: it is called when
    training has begun where there are cores for that, else when scoring begins. A runner that dies
    or hangs makes a run that failed as `KIT_FAILED`.

    Raises:
        Cancelled: `cancelled` said so; everything was killed.
        ExecutionError: a process can't be killed.
    """
    started = time.monotonic()
    waiting = waiting or prepare(spec)
    _describe(spec)
    asked = scoring.judge_spec(spec, spec.folder, Split.VAL)
    ahead = Ahead(spec, asked, meanwhile)

    def poll() -> None:
        _obey(cancelled)
        ahead.look()

    try:
        status = waiting.runner.carry_out(
            repr(started),
            deadline=started + spec.wall_seconds + GRACE_SECONDS,
            poll=poll,
            poll_seconds=poll_seconds,
        )
        run = _read(spec, status, time.monotonic() - started)
        if run.failure is None:
            run = _score(run, asked, ahead, cancelled)
        cache = _take_back_cache(spec, scored=run.score is not None)
    finally:
        ahead.end()
        with suppress(OSError):
            remove_tree(_work(spec) / compile_cache.FOLDER)
    _say_done(spec)
    return replace(run, cache=cache, wall_seconds=round(time.monotonic() - started, 3))


def execute_unscored(
    spec: RunSpec, *, cancelled: Callable[[], bool] = lambda: False, poll_seconds: float = 0.1
) -> Run:
    """Run the notebook of `spec` and score nothing: a run without a score, with or without failure.

    The run's folder and notebook are there. What it compiles is not kept: only runs that get a
    score add to that cache. A runner that dies or hangs makes a run that failed as `KIT_FAILED`.

    Raises:
        Cancelled: `cancelled` said so; everything was killed.
        ExecutionError: a process can't be killed.
    """
    started = time.monotonic()
    waiting = prepare(spec)
    _describe(spec)
    status = waiting.runner.carry_out(
        repr(started),
        deadline=started + spec.wall_seconds + GRACE_SECONDS,
        poll=lambda: _obey(cancelled),
        poll_seconds=poll_seconds,
    )
    return _read(spec, status, time.monotonic() - started)


def _take_back_cache(spec: RunSpec, *, scored: bool) -> CacheUse:
    """Keep what the run compiled; nothing, and a line in the log, where that can't be done."""
    try:
        code = compile_cache.code_of(spec.notebook)
        return compile_cache.take_back(spec.compile_cache, code, _work(spec), scored=scored)
    except (OSError, KitError) as error:
        logger.warning("what the run compiled is not kept: %s", in_words(error))
        return CacheUse()


def _say_done(place: RunPlace) -> None:
    """Tell whoever watches, if the disk lets that be written: a scored run is not lost by it."""
    try:
        handover.write_live(place.folder, "done")
    except OSError as error:
        logger.warning("that the run is done can't be shown: %s", in_words(error))


def _work(place: RunPlace) -> Path:
    return place.folder / handover.WORK_FOLDER


def _lay_out(place: RunPlace) -> None:
    with suppress(OSError):
        remove_tree(_work(place))
    for left in (place.folder / handover.RUN_FILE, taken_model(place.folder)):
        left.unlink(missing_ok=True)
    write_atomic(place.folder / handover.PLACE_FILE, codec.encode(place))


def _describe(spec: RunSpec) -> None:
    """What the runner finds when its turn has come."""
    write_atomic(spec.folder / handover.EXECUTED_FILE, spec.notebook.read_bytes())
    write_atomic(spec.folder / handover.SPEC_FILE, codec.encode(spec))
    handover.write_live(spec.folder, "start")


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
        asked = scoring.judge_spec(spec, folder, Split.AUDIT)
        score = scoring.score(asked, poll=lambda: _obey(cancelled))
    except (ScoreFailure, OSError) as failure:
        logger.warning("%s could not be audited: %s", spec.folder.name, failure)
        return run
    seconds = round(time.monotonic() - begun, 3)
    parts = {**run.parts, "audit": seconds}
    wall_seconds = round(run.wall_seconds + seconds, 3)
    return replace(run, audit=score, parts=parts, wall_seconds=wall_seconds)


def _score(run: Run, asked: JudgeSpec, ahead: Ahead, cancelled: Callable[[], bool]) -> Run:
    begun = time.monotonic()
    try:
        score = scoring.score(asked, ahead.take_judge(), poll=lambda: _obey(cancelled))
    except ScoreFailure as failure:
        run = replace(run, failure=failure.reason, detail=one_line(failure.detail, 500))
    else:
        run = replace(run, score=score)
    return replace(run, parts={**run.parts, "score": round(time.monotonic() - begun, 3)})
