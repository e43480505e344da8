"""Have a submission scored by a judge, in processes of their own."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from autoresearch_kit.errors import InputError, KitError
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.handover import Failure
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.processes.child import Child, last_line, start_child
from autoresearch_kit.execution.runner.submission import taken_model
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.records import (
    Accelerator,
    DatasetInfo,
    Reason,
    RunSpec,
    SandboxLevel,
    Score,
    TaskInfo,
    VisibleFiles,
    codec,
)
from autoresearch_kit.records.text import one_line
from autoresearch_kit.tasks.kinds import kind_at, read_info
from autoresearch_kit.tasks.lm.splits import Split

SPEC_FILE = "judge.json"
SCORE_FILE = "score.json"
LOG_FILE = "judge.log"
MEASURED_FILE = "measured.ipynb"
"""The executed measure.ipynb of a task, with all that it printed: for its author."""

FAILED = 3
"""The judge's exit status when it wrote a `Failure`; with 0 it wrote a `Score`."""

LM_SECONDS = 300.0
"""Seconds that the score of a language model may take; a task says what its own may."""

LM_ANSWER_SECONDS = 60.0
"""Seconds that a language model's loading, and each of its answers, may take."""

FREE_SECONDS = 10.0
"""Seconds in which a submission could go on training, unseen, while it is scored. A language model
may take them to load and for what its first answer takes longer than a typical one; a task's
submission to load and for all its answers.

They are of the wall-clock, not CPU time: the kit's models load in 0.1 s, and in less than 1 s
beside six busy processes on two cores. CPU time would miss what trains on a GPU.
"""

BUDGET_SHARE = 0.1
"""A task's submission may take this share of the budget of training, if that is more and the task
does not say."""

GRACE_SECONDS = 15.0
"""Seconds on top of the judge's own limit, before it is taken to hang."""

TURN = "score"
"""The line that tells a judge to begin."""


@dataclass(frozen=True)
class JudgeSpec:
    """All that the judge needs to know. Seconds, megabytes, absolute paths.

    `submission` is a pickled model; where the judge is started before its turn, it is yet to be
    written, and an empty file is there. For a task it may be anything, and stays empty where only
    files in `output` were handed over. `folder` is where the answer goes; nothing of a sandbox
    reaches it. `run_id` is carried by the judge's processes, and by no other process of the run,
    since whoever ends the one must not end the other. `device` is torch's name of the device that
    the model computes on: `cuda`, `mps` or `cpu`; `precision` that of its matrix products, None for
    the predictor's choice. `gpu` is the only GPU that judge and predictors see; None: they see
    none. `seconds` bounds all of the scoring, `memory_mb` the predictors and their children.
    `answer_seconds` bounds a language model's loading and each of its answers; of a task's
    submission, loading and all answers of one process together. `cores` are as in `RunSetup`.
    """

    dataset: Path
    submission: Path
    folder: Path
    kit: Path
    sandbox: SandboxLevel
    run_id: str
    memory_mb: float
    device: str
    shard: str = "val"
    precision: str | None = None
    seconds: float = LM_SECONDS
    answer_seconds: float = LM_ANSWER_SECONDS
    gpu: Accelerator | None = None
    visible: VisibleFiles = field(default_factory=VisibleFiles)
    cores: tuple[int, ...] = ()

    @property
    def output(self) -> Path:
        """Return the folder of files that a task's notebook handed over, beside its submission."""
        return self.submission.with_name(handover.OUTPUT_FOLDER)


class ScoreFailure(KitError):  # noqa: N818 - the submission failed, not the kit
    """A submission has no score; `reason` and `detail` say why."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail


def judge_id(run_id: str) -> str:
    """Name the processes of a run's judge: they may wait while the run's own are ended."""
    return f"{run_id}-judge"


def allowed_seconds(info: DatasetInfo | TaskInfo) -> float:
    """Return the seconds that a score may take."""
    return info.measure_seconds if isinstance(info, TaskInfo) else LM_SECONDS


def answer_seconds(info: DatasetInfo | TaskInfo, train_seconds: float) -> float:
    """Return the seconds that `JudgeSpec.answer_seconds` bounds."""
    if not isinstance(info, TaskInfo):
        return LM_ANSWER_SECONDS
    return info.submission_seconds or max(FREE_SECONDS, BUDGET_SHARE * train_seconds)


def judge_spec(spec: RunSpec, folder: Path, shard: Split) -> JudgeSpec:
    """Say how a run's submission is scored on a shard; `folder` takes the judge's files."""
    info = read_info(spec.dataset)
    return JudgeSpec(
        dataset=spec.dataset,
        submission=taken_model(spec.folder),
        folder=folder,
        kit=spec.kit,
        sandbox=spec.sandbox,
        run_id=judge_id(spec.run_id),
        memory_mb=spec.memory_mb,
        shard=shard.value,
        seconds=allowed_seconds(info),
        answer_seconds=answer_seconds(info, spec.train_seconds),
        device=spec.device,
        gpu=spec.gpu,
        visible=spec.visible,
        cores=spec.cores,
    )


def start(spec: JudgeSpec) -> Child:
    """Start the judge, which starts its predictors and waits for its turn."""
    (spec.folder / SCORE_FILE).unlink(missing_ok=True)
    path = spec.folder / SPEC_FILE
    path.write_bytes(codec.encode(spec))
    return start_child(
        [kind_at(spec.dataset).judge_module, str(path)],
        folder=spec.folder,
        kit=spec.kit,
        run_id=spec.run_id,
        log=spec.folder / LOG_FILE,
        gpu=spec.gpu,
        cores=spec.cores,
    )


def score(
    spec: JudgeSpec, judge: Child | None = None, *, poll: Callable[[], None] = lambda: None
) -> Score:
    """Have the submission scored, by a judge that waits for its turn or by a new one.

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
    limit = spec.seconds + GRACE_SECONDS
    status = (judge or start(spec)).carry_out(TURN, deadline=time.monotonic() + limit, poll=poll)
    if status is None:
        raise ScoreFailure(Reason.KIT_FAILED, f"the judge did not end within {limit:g} s")
    if status not in (0, FAILED):
        said = f"the judge ended with status {status}: {last_line(spec.folder / LOG_FILE)}"
        raise ScoreFailure(Reason.KIT_FAILED, one_line(said, 300))
    try:
        data = (spec.folder / SCORE_FILE).read_bytes()
        if status == 0:
            return codec.decode(Score, data)
        failure = codec.decode(Failure, data)
    except (OSError, InputError) as error:
        raise ScoreFailure(Reason.KIT_FAILED, f"the judge's answer: {error}") from error
    raise ScoreFailure(failure.reason, failure.detail)


def serve(judge: Callable[[JudgeSpec], Score], path: Path) -> NoReturn:
    """Be a judge's process: judge what the spec at `path` names, write the answer, and exit.

    When the answer is there, none of the judge's own processes is left.
    """
    reap.adopt_orphans()
    spec = codec.decode(JudgeSpec, path.read_bytes())
    answer: Score | Failure
    try:
        answer = judge(spec)
    except ScoreFailure as failure:
        answer = Failure(failure.reason, failure.detail)
    finally:
        reap.reap(spec.run_id)
    write_atomic(spec.folder / SCORE_FILE, codec.encode(answer))
    sys.stdout.flush()
    sys.stderr.flush()
    # taking modules apart takes time, and frees nothing more
    os._exit(FAILED if isinstance(answer, Failure) else 0)
