"""Has a submission scored by a judge, in processes of their own. Loads no torch."""

import time
from collections.abc import Callable
from pathlib import Path

from autoresearch_kit import codec
from autoresearch_kit.errors import InputError
from autoresearch_kit.execution.child import last_line, run_child
from autoresearch_kit.execution.grading import (
    FAILED,
    LOG_FILE,
    SCORE_FILE,
    SPEC_FILE,
    JudgeSpec,
    ScoreFailure,
)
from autoresearch_kit.execution.handover import Failure
from autoresearch_kit.records import Reason, SandboxLevel, Score
from autoresearch_kit.text import one_line

MODULE = "autoresearch_kit.execution.judge"

GRACE_SECONDS = 15.0
"""On top of the judge's own limit, before it is taken to hang."""

POLL_SECONDS = 0.1


def score(
    dataset: Path,
    submission: Path,
    *,
    folder: Path,
    kit: Path,
    level: SandboxLevel,
    run_id: str,
    memory_mb: float,
    shard: str = "val",
    device: str | None = None,
    seconds: float = 300.0,
    batch_seconds: float = 60.0,
    poll: Callable[[], None] = lambda: None,
) -> Score:
    """Score `submission`, a pickled model, on a shard of the data set in the folder `dataset`.

    `folder` takes the judge's files and must be out of the sandbox's reach; see `JudgeSpec` for
    the rest. `poll` is called about ten times a second; what it raises ends the judge and comes
    out here. Every process is gone afterwards.

    Raises:
        ScoreFailure: there is no score; `reason` and `detail` say why.
    """
    if submission.is_symlink() or not submission.is_file():
        raise ScoreFailure(Reason.BAD_SUBMISSION, f"{submission.name} is not a plain file")
    spec = JudgeSpec(
        dataset=dataset.absolute(),
        shard=shard,
        submission=submission.absolute(),
        folder=folder.absolute(),
        kit=kit.absolute(),
        sandbox=level,
        device=device,
        run_id=run_id,
        memory_mb=memory_mb,
        seconds=seconds,
        batch_seconds=batch_seconds,
    )
    return _answer(spec, _run(spec, poll))


def _run(spec: JudgeSpec, poll: Callable[[], None]) -> int | None:
    """The judge's exit status, None if it hung."""
    (spec.folder / SCORE_FILE).unlink(missing_ok=True)
    path = spec.folder / SPEC_FILE
    path.write_bytes(codec.encode(spec))
    deadline = time.monotonic() + spec.seconds + GRACE_SECONDS
    return run_child(
        [MODULE, str(path)],
        folder=spec.folder,
        kit=spec.kit,
        run_id=spec.run_id,
        log=spec.folder / LOG_FILE,
        deadline=deadline,
        poll=poll,
        poll_seconds=POLL_SECONDS,
    )


def _answer(spec: JudgeSpec, status: int | None) -> Score:
    """What the judge wrote."""
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
