"""Measure a task's submission: `python -m autoresearch_kit.execution.judge.measured SPEC`.

Kit code only; it unpickles nothing, and imports nothing that was handed over. The task's own
measure.ipynb runs in a sandbox that sees the hidden data, the submission in another one that does
not. This process relays inputs and answers between them, and takes the metrics.
"""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from autoresearch_kit.errors import InputError, KitError
from autoresearch_kit.execution.judge import measured_command
from autoresearch_kit.execution.judge.measuring_sandbox import MeasuringSandbox
from autoresearch_kit.execution.judge.reported import Reported
from autoresearch_kit.execution.judge.scoring import JudgeSpec, ScoreFailure, serve
from autoresearch_kit.execution.judge.task_predictor_process import TaskPredictor
from autoresearch_kit.execution.judge.task_predictor_process import start as start_predictor
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.processes.starter import await_turn
from autoresearch_kit.execution.runner.limits import MAX_FILES
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.files.untrusted import entries
from autoresearch_kit.records import Reason, Score, TaskInfo
from autoresearch_kit.tasks.kinds import read_info


def judge(spec: JudgeSpec) -> Score:
    """Measure the submission when its turn has come.

    Raises:
        ScoreFailure: it has no score; the failure says why.
        InputError: the prepared task can't be read.
    """
    info = read_info(spec.dataset)
    if not isinstance(info, TaskInfo):
        raise InputError(f"{spec.dataset} is not a prepared task")
    spec.output.mkdir(exist_ok=True)
    sandbox = MeasuringSandbox(spec, info)
    try:
        return _by_command(sandbox) if info.command else _by_notebook(sandbox)
    finally:
        reap.reap(spec.run_id)
        with suppress(OSError):
            sandbox.remove()


def _by_command(sandbox: MeasuringSandbox) -> Score:
    begun = _begin(sandbox)
    reported = measured_command.measure(sandbox, begun + sandbox.spec.seconds)
    predictor = start_predictor(sandbox.spec, sandbox.spec.output)
    return _score(sandbox, reported, begun, _parameters(predictor, sandbox.spec))


def _by_notebook(sandbox: MeasuringSandbox) -> Score:
    from autoresearch_kit.execution.judge import measured_notebook  # imports papermill

    # a kernel starts before its turn, but for checks, which end with all processes of the run
    begun = _begin(sandbox) if sandbox.info.checks else None
    sandbox.make()
    kernel = measured_notebook.start(sandbox)
    if begun is None:
        begun = _begin(sandbox)
    kernel.measure(begun + sandbox.spec.seconds)
    if failure := kernel.first.failure:
        raise ScoreFailure(failure.reason, failure.detail)
    kernel.reported.check_complete()
    relay = kernel.relay
    parameters = _parameters(relay.predictor, sandbox.spec)
    inference = {"inference_seconds": relay.seconds / relay.rows} if relay.rows else {}
    return _score(sandbox, kernel.reported, begun, parameters | inference)


def _begin(sandbox: MeasuringSandbox) -> float:
    """Wait for the turn, check what was handed over, and return when the turn came.

    Raises:
        ScoreFailure: it can't be measured, or the task's own checks failed.
    """
    await_turn(lambda: reap.reap(sandbox.spec.run_id))
    begun = time.monotonic()
    _check_files(sandbox.spec)
    if sandbox.info.checks:
        measured_command.check(sandbox, begun + sandbox.spec.seconds)
    return begun


def _check_files(spec: JudgeSpec) -> None:
    """Check that plain files and folders were handed over, and nothing else.

    A measurement that follows a link could take hidden data for a submission.

    Raises:
        ScoreFailure: there is something else.
    """
    output = spec.output
    try:
        for count, entry in enumerate(entries(output), start=1):
            if not (entry.is_plain or entry.is_folder):
                raise KitError(f"{entry.path} is not a plain file")
            if count > MAX_FILES:
                raise KitError(f"there are more than {MAX_FILES:,} files")
    except KitError as error:
        raise ScoreFailure(Reason.BAD_SUBMISSION, f"{output.name}/: {error}") from error


def _parameters(predictor: TaskPredictor, spec: JudgeSpec) -> dict[str, float]:
    """Return how many parameters a submission has, where it can be loaded and has any.

    What only files were handed over for, or what only a command can load, has no such number.
    """
    predictor.deadline = time.monotonic() + spec.seconds
    if not spec.submission.stat().st_size:
        return {}
    try:
        predictor.load()
    except ScoreFailure:
        return {}
    count = predictor.parameters
    return {} if count is None else {"parameters": float(count)}


def _score(
    sandbox: MeasuringSandbox, reported: Reported, begun: float, counted: dict[str, float]
) -> Score:
    reported.check_complete()
    spec, task = sandbox.spec, sandbox.info.task
    # names count, which can hold weights too
    sizes = [
        len(os.fsencode(entry.name)) + (entry.status.st_size if entry.is_plain else 0)
        for entry in entries(spec.output)
    ]
    size = (spec.submission.stat().st_size + sum(sizes)) / MEGABYTE
    metric = task.metrics[0].name
    return Score(
        metric=metric,
        value=reported.values[metric],
        seconds=time.monotonic() - begun,
        values=reported.values | counted | {"submission_mb": size},
        errors=reported.errors,
        trusted=sandbox.trusted,
    )


if __name__ == "__main__":
    serve(judge, Path(sys.argv[1]))
