"""Test what a task's judge makes of a submission: real kernels, sandboxes and predictors."""

import cloudpickle

from autoresearch_kit.execution.judge import scoring
from autoresearch_kit.execution.judge.scoring import JudgeSpec
from tests.execution.judge.measured import submissions
from tests.execution.judge.measured.ground import prepare


def submit(spec: JudgeSpec, submission: object) -> JudgeSpec:
    spec.submission.write_bytes(cloudpickle.dumps(submission))
    return spec


def test_a_function_is_measured(spec: JudgeSpec) -> None:
    prepare(spec.dataset)
    score = scoring.score(submit(spec, submissions.double))
    assert score.values["error"] == 0.0
