"""What the judge is asked, and what it answers when it has no score to give."""

from dataclasses import dataclass
from pathlib import Path

from autoresearch_kit.errors import KitError
from autoresearch_kit.records import Reason, SandboxLevel

SPEC_FILE = "judge.json"
SCORE_FILE = "score.json"
LOG_FILE = "judge.log"

FAILED = 3
"""The judge's exit status when it wrote a `Failure`; with 0 it wrote a `Score`."""


@dataclass(frozen=True)
class JudgeSpec:
    """All that the judge needs to know. Seconds, megabytes, absolute paths.

    `folder` is where the answer goes; nothing of a sandbox reaches it. `device` is torch's name of
    one, None for the kit's choice. `seconds` bounds all of the scoring, `batch_seconds` the
    model's loading and each of its answers, `memory_mb` the predictors and their children.
    """

    dataset: Path
    shard: str
    submission: Path
    folder: Path
    kit: Path
    sandbox: SandboxLevel
    device: str | None
    run_id: str
    memory_mb: float
    seconds: float
    batch_seconds: float


class ScoreFailure(KitError):  # noqa: N818 - the submission failed, not the kit
    """A submission has no score; `reason` and `detail` say why."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail
