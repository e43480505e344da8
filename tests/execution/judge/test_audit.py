"""Test the score of a finished run on the audit shard."""

import logging
from dataclasses import replace

import cloudpickle
import pytest

from autoresearch_kit.execution import handover, launch
from autoresearch_kit.execution.judge.scoring import JudgeSpec
from autoresearch_kit.execution.runner.submission import taken_model
from autoresearch_kit.machine.precision import of_name
from autoresearch_kit.records import RunSpec, Score
from tests.execution.judge import models
from tests.execution.judge.test_scoring import by_hand
from tests.ledger import ledger

RUN = replace(ledger.run(), score=Score("val_bpb", 1.5, 1.0, 1, 1, 0.0, 1.0))


def finished(spec: JudgeSpec) -> RunSpec:
    """Return the spec of a finished run, whose submission is still to be written."""
    (spec.folder / handover.WORK_FOLDER).mkdir()
    return RunSpec(
        run_id=spec.run_id,
        folder=spec.folder,
        notebook=spec.folder / "input.ipynb",
        dataset=spec.dataset,
        kit=spec.kit,
        compile_cache=spec.folder / "cache",
        seed=0,
        train_seconds=300.0,
        wall_seconds=660.0,
        compile_seconds=60.0,
        memory_mb=spec.memory_mb,
        sandbox=spec.sandbox,
        waits=False,
        ahead=False,
    )


@pytest.mark.slow
def test_a_runs_model_is_scored_on_the_audit_shard(spec: JudgeSpec) -> None:
    made = finished(spec)
    taken_model(made.folder).write_bytes(cloudpickle.dumps(models.Honest()))
    run = launch.audit(made, RUN)
    assert run.audit is not None
    precision = of_name(run.audit.precision)  # the machine's: a run names none
    nats, _, tokens = by_hand(replace(spec, shard="audit"), models.Honest(), precision)
    assert (run.audit.metric, run.audit.tokens) == ("audit_bpb", tokens)
    assert run.audit.nats == pytest.approx(nats, rel=1e-6)
    assert run.score == RUN.score
    assert run.wall_seconds == RUN.wall_seconds + run.parts["audit"]
    assert taken_model(made.folder).exists()


def test_a_run_without_a_model_stays_as_it_was(
    spec: JudgeSpec, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert launch.audit(finished(spec), RUN) == RUN
    assert "run could not be audited: bad submission: submission.pkl" in caplog.text


def test_a_full_disk_costs_the_audit_not_the_run(
    spec: JudgeSpec, caplog: pytest.LogCaptureFixture
) -> None:
    made = finished(spec)
    (made.folder / launch.AUDIT_FOLDER).write_text("in the way")
    assert launch.audit(made, RUN) == RUN
    assert "could not be audited" in caplog.text
