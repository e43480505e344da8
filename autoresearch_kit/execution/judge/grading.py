"""What the judge is asked, and its answer where there is no score."""

from dataclasses import dataclass, field
from pathlib import Path

from autoresearch_kit.errors import KitError
from autoresearch_kit.records import Accelerator, Reason, SandboxLevel, Sight

SPEC_FILE = "judge.json"
SCORE_FILE = "score.json"
LOG_FILE = "judge.log"

FAILED = 3
"""The judge's exit status when it wrote a `Failure`; with 0 it wrote a `Score`."""


@dataclass(frozen=True)
class JudgeSpec:
    """All that the judge needs to know. Seconds, megabytes, absolute paths.

    `submission` is a pickled model; where the judge is started before its turn, it is yet to be
    written, and an empty file is there. `folder` is where the answer goes; nothing of a sandbox
    reaches it. `run_id` is what the judge's processes carry, and nothing else of the run, since
    whoever ends the one must not end the other. `device` is torch's name of what the model computes
    on: `cuda`, `mps` or `cpu`; `precision` of what it computes matrix products in, None for the
    predictor's choice. `gpu` is the one GPU that judge and predictors see; None: they see none.
    `seconds` bounds all of the scoring, `batch_seconds` the model's loading and each of its
    answers, `memory_mb` the predictors and their children.
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
    seconds: float = 300.0
    batch_seconds: float = 60.0
    gpu: Accelerator | None = None
    sight: Sight = field(default_factory=Sight)


class ScoreFailure(KitError):  # noqa: N818 - the submission failed, not the kit
    """A submission has no score; `reason` and `detail` say why."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail
