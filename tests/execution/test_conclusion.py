"""What a run came to, told by a notebook that says what can't be."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from autoresearch_kit.execution.handover import METRICS_FILE, SUBMISSION_FILE, WORK_FOLDER
from autoresearch_kit.execution.runner.conclusion import conclude
from autoresearch_kit.execution.runner.engine import Story
from autoresearch_kit.execution.runner.watchdog import Watchdog
from autoresearch_kit.records import Reason, Run, SandboxLevel
from tests.execution.notebooks import make_spec, notebook

NO_COUNTS = pytest.mark.parametrize(
    "said", [-1, 2**53 + 1, 10**400], ids=["negative", "too large", "of 401 digits"]
)


def concluded(folder: Path, name: str, said: Mapping[str, float]) -> Run:
    """The record of a run of a second that left `said` in the file `name`."""
    spec = make_spec(folder, notebook(""), sandbox=SandboxLevel.NONE)
    work = spec.folder / WORK_FOLDER
    work.mkdir()
    (work / name).write_text(json.dumps(said))
    watch = Watchdog(spec, 0.0, kill=lambda: None)
    watch.training, watch.submitted = 1.0, (2.0 if name == SUBMISSION_FILE else None)
    story = Story(lambda: None, lambda: None, training=True)
    return conclude(spec, story, watch, ended=2.0, trouble="", last_words="")


@pytest.mark.parametrize("field", ["steps", "tokens"])
@NO_COUNTS
def test_a_hand_over_with_impossible_counts_is_refused(
    tmp_path: Path, field: str, said: int
) -> None:
    claim = {"steps": 1, "tokens": 1, "compile_seconds": 0.0, field: said}
    run = concluded(tmp_path, SUBMISSION_FILE, claim)
    assert run.failure is Reason.BAD_SUBMISSION
    assert run.tokens_per_second == 0


@NO_COUNTS
def test_a_loss_curve_with_impossible_counts_counts_nothing(tmp_path: Path, said: int) -> None:
    run = concluded(tmp_path, METRICS_FILE, {"step": 3, "tokens": said})
    assert (run.steps, run.tokens_per_second) == (0, 0)
