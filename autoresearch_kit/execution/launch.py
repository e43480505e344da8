"""Carry out one run from the outside: start its runner, wait, have the submission scored.

Whatever happens to the runner, the notebook or the caller, nothing is left running. What comes next
is started meanwhile: see `ahead`.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from autoresearch_kit.errors import Cancelled, InputError, KitError, in_words
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.ahead import Ahead
from autoresearch_kit.execution.judge import scoring
from autoresearch_kit.execution.judge.scoring import JudgeSpec, ScoreFailure
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.processes.child import Child, last_line, start_child
from autoresearch_kit.execution.runner import compile_cache
from autoresearch_kit.execution.runner.submission import taken_model, taken_output
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.records import CacheUse, Run, RunSetup, RunSpec, codec, failed_by_kit
from autoresearch_kit.records.text import one_line
from autoresearch_kit.tasks.kinds import is_audited, read_info
from autoresearch_kit.tasks.lm.splits import Split

logger = logging.getLogger(__name__)

MODULE = "autoresearch_kit.execution.runner.runner"

AUDIT_FOLDER = "audit"
"""Under the run's folder, out of the sandbox's reach: what the judge of the audit shard writes."""

GRACE_SECONDS = 60.0  # time after a run's own deadline until its runner is taken to hang


@dataclass(frozen=True)
class WaitingRunner:
    """A runner with its kernel, started for a run and waiting to be told to begin."""

    setup: RunSetup
    runner: Child


def prepare(setup: RunSetup) -> WaitingRunner:
    """Start a runner and its kernel, after the end of any earlier attempt at the same run.

    Raises:
        ExecutionError: a process of an earlier attempt can't be killed.
    """
    end_run(setup.run_id)
    folder = setup.folder
    for written in (folder / handover.WORK_FOLDER, taken_output(folder)):
        with suppress(OSError):
            remove_tree(written)
    for left in (folder / handover.RUN_FILE, taken_model(folder)):
        left.unlink(missing_ok=True)
    write_atomic(folder / handover.SETUP_FILE, codec.encode(setup))
    runner = start_child(
        [MODULE, str(folder)],
        folder=folder,
        kit=setup.kit,
        run_id=setup.run_id,
        log=folder / handover.LOG_FILE,
        gpu=setup.gpu,
        cores=setup.cores,
    )
    return WaitingRunner(setup, runner)


def end_run(run_id: str) -> None:
    """End all processes of a run and of its judge, whoever started them.

    Raises:
        ExecutionError: one can't be killed.
    """
    for carried in (run_id, scoring.judge_id(run_id)):
        reap.reap(carried)


def execute(
    spec: RunSpec,
    waiting: WaitingRunner | None = None,
    *,
    cancelled: Callable[[], bool] = lambda: False,
    meanwhile: Callable[[], None] = lambda: None,
) -> Run:
    """Run the notebook of `spec` and score its submission; return a run with a score or a failure.

    The run's folder and notebook exist; from then on the folder has an executed notebook, too.
    `waiting` is the runner that waits for this run; without it, one is started. `cancelled` is
    asked about ten times a second. `meanwhile` starts what comes next, see `ahead`. A runner that
    dies or hangs makes a run that failed as `KIT_FAILED`.

    Raises:
        Cancelled: `cancelled` said so; everything was killed.
        ExecutionError: a process can't be killed.
    """
    started = time.monotonic()
    waiting = waiting or prepare(spec)
    judge_spec = scoring.judge_spec(spec, spec.folder, Split.VAL)
    ahead = Ahead(spec, judge_spec, meanwhile)

    def poll() -> None:
        _obey(cancelled)
        ahead.look()

    try:
        run = _carry_out(spec, waiting, started, poll)
        if run.failure is None:
            run = _score(run, judge_spec, ahead, cancelled)
        cache = _take_back_cache(spec, scored=run.score is not None)
    finally:
        ahead.end()
        with suppress(OSError):
            remove_tree(spec.folder / handover.WORK_FOLDER / compile_cache.FOLDER)
    _show_done(spec)
    return replace(run, cache=cache, wall_seconds=round(time.monotonic() - started, 3))


def execute_unscored(spec: RunSpec, *, cancelled: Callable[[], bool] = lambda: False) -> Run:
    """Run the notebook of `spec` and score nothing; return a run that may have failed.

    All else is as for `execute`, but what it compiles is not kept: nothing is known of its worth.
    """
    started = time.monotonic()
    return _carry_out(spec, prepare(spec), started, lambda: _obey(cancelled))


def audit(spec: RunSpec, run: Run, *, cancelled: Callable[[], bool] = lambda: False) -> Run:
    """Return the run with its submission's score on the audit shard, if its task has one.

    The submission still lies in the run's folder. No verdict depends on that score: where it can't
    be had, a warning is logged and the run is returned as it was. Raises as `execute` does.
    """
    begun = time.monotonic()
    folder = spec.folder / AUDIT_FOLDER
    if not is_audited(read_info(spec.dataset)):
        return run
    try:
        folder.mkdir(exist_ok=True)
        judge_spec = scoring.judge_spec(spec, folder, Split.AUDIT)
        score = scoring.score(judge_spec, poll=lambda: _obey(cancelled))
    except (ScoreFailure, OSError) as failure:
        logger.warning("%s could not be audited: %s", spec.folder.name, failure)
        return run
    seconds = round(time.monotonic() - begun, 3)
    wall_seconds = round(run.wall_seconds + seconds, 3)
    return replace(
        run, audit=score, parts={**run.parts, "audit": seconds}, wall_seconds=wall_seconds
    )


def _carry_out(
    spec: RunSpec, waiting: WaitingRunner, started: float, poll: Callable[[], None]
) -> Run:
    """Make the waiting runner carry out the run; return the run that it wrote down."""
    write_atomic(spec.folder / handover.EXECUTED_FILE, spec.notebook.read_bytes())
    write_atomic(spec.folder / handover.SPEC_FILE, codec.encode(spec))
    handover.write_live(spec.folder, "start")
    deadline = started + spec.wall_seconds + GRACE_SECONDS
    status = waiting.runner.carry_out(repr(started), deadline=deadline, poll=poll)
    detail = "the runner did not end by itself"
    if status == 0:
        try:
            return codec.decode(Run, (spec.folder / handover.RUN_FILE).read_bytes())
        except (OSError, InputError) as error:
            detail = f"the runner's record can't be read: {error}"
    elif status is not None:
        said = last_line(spec.folder / handover.LOG_FILE)
        detail = f"the runner ended with status {status}: {said}"
    wall_seconds = round(time.monotonic() - started, 3)
    return failed_by_kit(
        spec.seed, one_line(detail, handover.DETAIL_LENGTH), spec.sandbox, wall_seconds
    )


def _score(run: Run, judge_spec: JudgeSpec, ahead: Ahead, cancelled: Callable[[], bool]) -> Run:
    begun = time.monotonic()
    try:
        score = scoring.score(judge_spec, ahead.take_judge(), poll=lambda: _obey(cancelled))
    except ScoreFailure as failure:
        run = replace(
            run, failure=failure.reason, detail=one_line(failure.detail, handover.DETAIL_LENGTH)
        )
    else:
        run = replace(run, score=score)
    return replace(run, parts={**run.parts, "score": round(time.monotonic() - begun, 3)})


def _show_done(spec: RunSpec) -> None:
    try:
        handover.write_live(spec.folder, "done")
    except OSError as error:  # a scored run is not lost by that
        logger.warning("that the run is done can't be shown: %s", in_words(error))


def _take_back_cache(spec: RunSpec, *, scored: bool) -> CacheUse:
    """Keep what the run compiled; where that can't be done, keep nothing and log a line."""
    work = spec.folder / handover.WORK_FOLDER
    try:
        code = compile_cache.code_of(spec.notebook)
        return compile_cache.take_back(spec.compile_cache, code, work, scored=scored)
    except (OSError, KitError) as error:
        logger.warning("what the run compiled is not kept: %s", in_words(error))
        return CacheUse()


def _obey(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise Cancelled("the run was stopped; its processes were killed")
