"""Have a submission scored by a judge, in processes of their own."""

import time
from collections.abc import Callable
from pathlib import Path

from autoresearch_kit.errors import InputError
from autoresearch_kit.execution.handover import Failure
from autoresearch_kit.execution.judge.grading import (
    FAILED,
    LOG_FILE,
    SCORE_FILE,
    SPEC_FILE,
    JudgeSpec,
    ScoreFailure,
)
from autoresearch_kit.execution.processes.child import Child, last_line, start_child
from autoresearch_kit.execution.runner.submission import taken_model
from autoresearch_kit.records import Reason, RunSpec, Score, codec
from autoresearch_kit.records.text import one_line
from autoresearch_kit.tasks.lm.splits import Split
from autoresearch_kit.tasks.lm.task import TASK

GRACE_SECONDS = 15.0
"""Seconds on top of the judge's own limit, before it is taken to hang."""

TURN = "score"
"""Tells a judge that its turn has come."""


def judge_id(run_id: str) -> str:
    """Name the processes of a run's judge: they may wait while the run's own are ended."""
    return f"{run_id}-judge"


def judge_spec(spec: RunSpec, folder: Path, shard: Split) -> JudgeSpec:
    """Say how the model of a run is scored on a shard; `folder` takes the judge's files."""
    return JudgeSpec(
        dataset=spec.dataset,
        submission=taken_model(spec.folder),
        folder=folder,
        kit=spec.kit,
        sandbox=spec.sandbox,
        run_id=judge_id(spec.run_id),
        memory_mb=spec.memory_mb,
        shard=shard.value,
        device=spec.device,
        gpu=spec.gpu,
        sight=spec.sight,
    )


def start(spec: JudgeSpec) -> Child:
    """Start the judge, which starts its predictors and waits for its turn."""
    (spec.folder / SCORE_FILE).unlink(missing_ok=True)
    path = spec.folder / SPEC_FILE
    path.write_bytes(codec.encode(spec))
    return start_child(
        [TASK.judge_module, str(path)],
        folder=spec.folder,
        kit=spec.kit,
        run_id=spec.run_id,
        log=spec.folder / LOG_FILE,
        gpu=spec.gpu,
    )


def score(
    spec: JudgeSpec, judge: Child | None = None, *, poll: Callable[[], None] = lambda: None
) -> Score:
    """Have the submission scored, by this judge that waits for its turn, or by a new one.

    `poll` is called about ten times a second; what it raises ends the judge and comes out here.
    Every process is gone afterwards.

    Raises:
        ScoreFailure: there is no score; `reason` and `detail` say why.
    """
    submission = spec.submission
    if submission.is_symlink() or not submission.is_file():
        if judge is not None:
            judge.end()
        raise ScoreFailure(Reason.BAD_SUBMISSION, f"{submission.name} is not a plain file")
    status = (judge or start(spec)).carry_out(
        TURN,
        deadline=time.monotonic() + spec.seconds + GRACE_SECONDS,
        poll=poll,
    )
    return _answer(spec, status)


def _answer(spec: JudgeSpec, status: int | None) -> Score:
    """Return the score that the judge wrote, or raise its failure."""
    if status in (0, FAILED):
        try:
            data = (spec.folder / SCORE_FILE).read_bytes()
            if status == 0:
                return codec.decode(Score, data)
            failure = codec.decode(Failure, data)
        except (OSError, InputError) as error:
            raise ScoreFailure(Reason.KIT_FAILED, f"the judge's answer: {error}") from error
        raise ScoreFailure(failure.reason, failure.detail)
    raise ScoreFailure(Reason.KIT_FAILED, _why(spec, status))


def _why(spec: JudgeSpec, status: int | None) -> str:
    if status is None:
        return f"the judge did not end within {spec.seconds + GRACE_SECONDS:g} s"
    said = last_line(spec.folder / LOG_FILE)
    return one_line(f"the judge ended with status {status}: {said}", 300)
