"""A model that was handed over is out of its notebook's reach."""

import os
import time
from pathlib import Path

import pytest

from autoresearch_kit.execution import handover
from autoresearch_kit.execution.handover import Failure
from autoresearch_kit.execution.runner import bounds
from autoresearch_kit.execution.runner.taking import take_model, taken_model
from autoresearch_kit.execution.runner.watchdog import Watchdog
from autoresearch_kit.records import Reason, RunSpec, SandboxLevel
from tests.execution.notebooks import make_spec, notebook


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    spec = make_spec(tmp_path, notebook(""), sandbox=SandboxLevel.NONE, memory_mb=1.0)
    (spec.folder / handover.WORK_FOLDER).mkdir()
    return spec


def work(spec: RunSpec, name: str) -> Path:
    return spec.folder / handover.WORK_FOLDER / name


def test_writing_after_the_hand_over_changes_nothing(spec: RunSpec) -> None:
    watch = Watchdog(spec, time.monotonic(), kill=lambda: None)
    watch.note_training()
    with work(spec, handover.MODEL_FILE).open("wb") as file:
        file.write(b"trained in time")
        file.flush()
        work(spec, handover.SUBMISSION_FILE).touch()
        watch.start()
        while watch.submitted is None:
            assert watch.is_alive()
        watch.end()
        os.pwrite(file.fileno(), b"trained on   ", 0)
    work(spec, handover.MODEL_FILE).write_bytes(b"another")
    assert watch.failure is None
    assert taken_model(spec.folder).read_bytes() == b"trained in time"


def test_a_taken_model_leaves_the_work_folder(spec: RunSpec) -> None:
    work(spec, handover.MODEL_FILE).write_bytes(b"model")
    assert take_model(spec) is None
    assert not work(spec, handover.MODEL_FILE).exists()


def test_a_sparse_file_larger_than_the_disk_is_refused(
    spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "FREE_SHARE", 0.0)
    with work(spec, handover.MODEL_FILE).open("wb") as file:
        file.truncate(900_000)
    failure = take_model(spec)
    assert failure is not None
    assert failure.detail == "submission.pkl has 1 MB, 0 allowed"


def test_a_model_that_the_disk_holds_already_is_copied(
    spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "FREE_SHARE", 0.0)
    work(spec, handover.MODEL_FILE).write_bytes(os.urandom(900_000))
    assert take_model(spec) is None


def test_a_missing_model_is_a_bad_submission(spec: RunSpec) -> None:
    why = f"no {handover.MODEL_FILE} came with it"
    assert take_model(spec) == Failure(Reason.BAD_SUBMISSION, why)


def test_a_file_larger_than_memory_is_not_copied(spec: RunSpec) -> None:
    with work(spec, handover.MODEL_FILE).open("wb") as file:
        file.truncate(2**40)
    failure = take_model(spec)
    assert failure is not None
    assert failure.detail == "submission.pkl has 1,099,512 MB, 1 allowed"
    assert not taken_model(spec.folder).exists()
