"""Take what a notebook hands over out of its reach, and believe it only if it can be."""

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoresearch_kit.execution import handover
from autoresearch_kit.execution.handover import Failure
from autoresearch_kit.execution.runner import limits
from autoresearch_kit.execution.runner.conclusion import conclude
from autoresearch_kit.execution.runner.deadline import Watchdog
from autoresearch_kit.execution.runner.engine import RunEvents
from autoresearch_kit.execution.runner.limits import GpuPeak
from autoresearch_kit.execution.runner.submission import (
    MAX_OUTPUT,
    take_model,
    take_submission,
    taken_model,
    taken_output,
)
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.machine.gpu import GpuMemory
from autoresearch_kit.records import Reason, Run, RunSpec, SandboxLevel
from autoresearch_kit.tasks.measured import layout
from tests.execution.notebooks import make_spec, notebook


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    spec = make_spec(tmp_path, notebook(""), sandbox=SandboxLevel.NONE, memory_mb=1.0)
    (spec.folder / handover.WORK_FOLDER).mkdir()
    return spec


@pytest.fixture
def model(spec: RunSpec) -> Path:
    return spec.folder / handover.WORK_FOLDER / handover.MODEL_FILE


def test_writing_after_the_hand_over_changes_nothing(spec: RunSpec, model: Path) -> None:
    watch = Watchdog(spec, time.monotonic(), kill=lambda: None)
    watch.note_training()
    with model.open("wb") as file:
        file.write(b"trained in time")
        file.flush()
        model.with_name(handover.SUBMISSION_FILE).touch()
        watch.start()
        while watch.submitted is None:
            assert watch.is_alive()
        watch.end()
        os.pwrite(file.fileno(), b"trained on   ", 0)
    assert not model.exists()
    model.write_bytes(b"another")
    assert watch.failure is None
    assert taken_model(spec.folder).read_bytes() == b"trained in time"


@pytest.mark.parametrize(
    ("size", "free_share", "why"),
    [
        (2**40, 0.5, "submission.pkl has 1,099,512 MB, 1 allowed"),
        (900_000, 0.0, "submission.pkl has 1 MB, 0 allowed"),
        (None, 0.5, "no submission.pkl came with it"),
    ],
    ids=["larger than memory", "larger than the disk", "missing"],
)
def test_a_model_that_does_not_fit_is_refused(
    size: int | None,
    free_share: float,
    why: str,
    spec: RunSpec,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "FREE_SHARE", free_share)
    if size is not None:
        with model.open("wb") as file:
            file.truncate(size)  # holes only
    assert take_model(spec) == Failure(Reason.BAD_SUBMISSION, why)
    assert not taken_model(spec.folder).exists()


def test_a_model_that_the_disk_holds_already_is_copied(
    spec: RunSpec, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FREE_SHARE", 0.0)
    model.write_bytes(os.urandom(900_000))
    assert take_model(spec) is None


def concluded(spec: RunSpec, submitted: float | None = None, **events: Any) -> Run:
    """Return the record of a run of one second, with these events of its notebook."""
    watch = Watchdog(spec, 0.0, kill=lambda: None)
    watch.training, watch.submitted = 1.0, submitted
    begun = RunEvents(lambda: None, lambda: None, training=True, cell="model")
    return conclude(spec, replace(begun, **events), watch, ended=2.0, last_words="")


@pytest.mark.parametrize("claimed", [-1, 2**53 + 1, 10**400], ids=["negative", "large", "huge"])
@pytest.mark.parametrize("name", [handover.SUBMISSION_FILE, handover.METRICS_FILE])
def test_impossible_counts_are_not_believed(name: str, claimed: int, spec: RunSpec) -> None:
    claim = {"steps": 1, "step": 3, "tokens": claimed, "compile_seconds": 0.0}
    (spec.folder / handover.WORK_FOLDER / name).write_text(json.dumps(claim))
    submitted = name == handover.SUBMISSION_FILE
    run = concluded(spec, 2.0 if submitted else None)
    assert run.failure is (Reason.BAD_SUBMISSION if submitted else Reason.NO_SUBMISSION)
    assert (run.steps, run.tokens_per_second) == (0, 0)


@pytest.mark.parametrize(("claimed", "believed"), [(66900.04, 66900.0), (1e300, 80000.0)])
def test_the_allocators_claim_is_bounded(claimed: float, believed: float, spec: RunSpec) -> None:
    claim = {"steps": 1, "tokens": 1, "compile_seconds": 0.0, "gpu_allocated_mb": claimed}
    work = spec.folder / handover.WORK_FOLDER
    (work / handover.SUBMISSION_FILE).write_text(json.dumps(claim))
    watch = Watchdog(spec, 0.0, kill=lambda: None)
    watch.gpu.total_mb = 80000.0
    watch.training, watch.submitted = 1.0, 2.0
    events = RunEvents(lambda: None, lambda: None)
    run = conclude(spec, events, watch, ended=2.0, last_words="")
    assert run.gpu_allocated_mb == believed


def test_a_run_over_its_gpu_memory_is_ended(spec: RunSpec) -> None:
    killed = threading.Event()
    watch = Watchdog(replace(spec, gpu_memory_mb=5000.0), time.monotonic(), kill=killed.set)
    in_use = iter([1000, *range(1000, 100_000, 3000)])  # with each look, first without the run
    watch.gpu = GpuPeak(lambda: (GpuMemory("GPU-0", next(in_use) * MEGABYTE, 80_000, {}),))
    watch.note_training()
    watch.start()
    assert killed.wait(60)
    watch.end()
    assert watch.failure is not None
    assert watch.failure.reason is Reason.OUT_OF_MEMORY
    assert watch.failure.detail == "6,000 MB of the GPU's memory used, 5,000 MB allowed"


def test_an_empty_hand_over_is_a_bad_submission(spec: RunSpec, model: Path) -> None:
    model.with_name(handover.SUBMISSION_FILE).write_text("{}")
    assert concluded(spec, 2.0).failure is Reason.BAD_SUBMISSION


def test_a_linked_hand_over_is_no_submission(spec: RunSpec, model: Path) -> None:
    model.with_name(handover.SUBMISSION_FILE).symlink_to("/etc/passwd")
    watch = Watchdog(spec, time.monotonic(), kill=lambda: None)
    watch.note_training()
    watch.start()
    watch.end()
    assert watch.submitted is None


@pytest.mark.parametrize(
    ("error", "training", "reason"),
    [
        ("ValueError", True, Reason.ERROR),
        ("ValueError", False, Reason.KIT_FAILED),
        ("MemoryError", True, Reason.OUT_OF_MEMORY),
        ("OutOfMemoryError", True, Reason.OUT_OF_MEMORY),
        ("SystemExit", True, Reason.EXITED),
    ],
)
def test_an_error_has_its_reason(error: str, training: bool, reason: Reason, spec: RunSpec) -> None:
    run = concluded(spec, error=(error, "done"), training=training)
    assert (run.failure, run.detail) == (reason, f"{error}: done (in cell 'model')")


@pytest.fixture
def output(spec: RunSpec) -> Path:
    """Return the folder for files to hand over, in the run of a task that is a folder."""
    (spec.dataset / layout.INFO_FILE).touch()
    output = spec.folder / handover.WORK_FOLDER / handover.OUTPUT_FOLDER
    output.mkdir()
    return output


def test_files_and_folders_are_taken_as_they_are(spec: RunSpec, output: Path) -> None:
    (output / "parts" / "empty").mkdir(parents=True)
    (output / "parts" / "weights.bin").write_bytes(bytes(range(256)))
    assert take_submission(spec) is None
    (output / "parts" / "weights.bin").write_bytes(b"trained on")
    taken = taken_output(spec.folder)
    assert sorted(path.name for path in taken.rglob("*")) == ["empty", "parts", "weights.bin"]
    assert (taken / "parts" / "weights.bin").read_bytes() == bytes(range(256))
    assert taken_model(spec.folder).read_bytes() == b""


def test_a_pickle_without_files_is_enough_for_a_task(
    spec: RunSpec, model: Path, output: Path
) -> None:
    output.rmdir()
    model.write_bytes(b"pickle")
    assert take_submission(spec) is None
    assert taken_model(spec.folder).read_bytes() == b"pickle"


def test_empty_hands_are_a_bad_submission(spec: RunSpec, output: Path) -> None:
    (output / "folder").mkdir()
    why = "neither submission.pkl nor a file in output/ came with it"
    assert take_submission(spec) == Failure(Reason.BAD_SUBMISSION, why)


def test_a_language_models_files_are_left_alone(spec: RunSpec, model: Path, output: Path) -> None:
    (spec.dataset / layout.INFO_FILE).unlink()
    (output / "more").touch()
    model.touch()
    assert take_submission(spec) is None
    assert not taken_output(spec.folder).exists()


def link_hard(output: Path) -> None:
    (output.parent / "mine").touch()
    (output / "other").hardlink_to(output.parent / "mine")


def be_many(output: Path) -> None:
    for number in range(MAX_OUTPUT + 1):
        (output / str(number)).touch()


def be_a_link(output: Path) -> None:
    output.rmdir()
    output.symlink_to("/")


OFFERED: dict[str, Callable[[Path], object]] = {
    "output/link can't be taken: link is a link": lambda output: (output / "link").symlink_to("x"),
    "output/p can't be taken: p is not a plain file": lambda output: os.mkfifo(output / "p"),
    "output/other can't be taken: other is a hard link": link_hard,
    "it has 2.0 MB, where 1.0 are left": lambda output: (output / "a").write_bytes(
        bytes(2 * 10**6)
    ),
    f"more than {MAX_OUTPUT:,} files": be_many,
    "output is no folder": be_a_link,
}


@pytest.mark.parametrize("why", OFFERED)
def test_what_is_no_plain_file_or_too_much_is_refused(
    why: str, spec: RunSpec, output: Path
) -> None:
    OFFERED[why](output)
    failure = take_submission(spec)
    assert failure is not None
    assert failure.reason is Reason.BAD_SUBMISSION
    assert why in failure.detail


def test_many_small_files_count_together(spec: RunSpec, output: Path) -> None:
    for number in range(3):
        (output / str(number)).write_bytes(bytes(400_000))
    failure = take_submission(spec)
    assert failure is not None
    assert "it has 0.4 MB, where 0.2 are left" in failure.detail
