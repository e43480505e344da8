"""Runs that the kit itself fails: a crash of their experiment, and the end only if all do."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.errors import KitError
from autoresearch_kit.execution import launch, machine_probe
from autoresearch_kit.execution.judge.scoring import MEASURED_FILE
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import (
    Accelerator,
    Experiment,
    Limits,
    Reason,
    Run,
    RunSpec,
    Stage,
    Verdict,
)
from tests.campaign import made_up_runs

WHY = "the runner ended with status 1: RecursionError"


def failing(*numbers: int, attempts: int = 2) -> Callable[..., Run]:
    """Return runs of which the kit fails those of these experiments, so often at least."""
    left = dict.fromkeys(numbers, attempts)

    def execute(spec: RunSpec, waiting: None = None, **more: Callable[[], bool]) -> Run:
        made = made_up_runs.made_up_run(spec, waiting)
        number = made_up_runs.number_of(spec)
        if not left.get(number):
            return made
        left[number] -= 1
        return replace(made, score=None, failure=Reason.KIT_FAILED, detail=WHY)

    return execute


def run(root: Path, limit: int, execute: Callable[..., Run]) -> list[Experiment]:
    with pytest.MonkeyPatch.context() as patch:
        made_up_runs.make_up(patch)
        patch.setattr(launch, "execute", execute)
        return list(made_up_runs.campaign_in(root, Limits(experiments=limit)))


def reasons(experiments: Sequence[Experiment]) -> list[Reason]:
    return [one.reason for one in experiments if one.verdict is Verdict.CRASH]


def failed(root: Path) -> str:
    state = Workspace(root, "night").state()
    assert state is not None
    assert state.stage is Stage.FAILED
    return state.message


def test_one_failure_of_the_kit_is_repeated(project: Path) -> None:
    assert reasons(run(project, 2, failing(1, attempts=1))) == []


def test_two_are_a_crash_and_the_campaign_goes_on(project: Path) -> None:
    tried = run(project, 3, failing(1, 2))
    assert reasons(tried) == [Reason.KIT_FAILED] * 2
    assert (tried[1].detail, tried[3].score is None) == (WHY, False)
    assert Workspace(project, "night").under_way.numbers() == set()


def test_three_in_a_row_end_the_campaign(project: Path) -> None:
    with pytest.raises(KitError, match=f"last 3 experiments could not be run.*: {WHY}"):
        run(project, 9, failing(1, 2, 3))
    assert "the last 3 experiments could not be run" in failed(project)
    tried = run(project, 5, failing(4))
    assert [one.number for one in tried] == [4, 5]
    assert reasons(tried) == [Reason.KIT_FAILED]


def test_a_baseline_that_the_kit_fails_ends_the_campaign(project: Path) -> None:
    with pytest.raises(KitError, match=f"experiment 0 could not be run: {WHY}"):
        run(project, 1, failing(0))
    assert [one.number for one in run(project, 1, failing())] == [0, 1]


def test_a_baseline_that_crashes_says_where_to_look(project: Path) -> None:
    def crashing(spec: RunSpec, waiting: None = None, **more: Callable[[], bool]) -> Run:
        made = made_up_runs.made_up_run(spec, waiting)
        return replace(made, score=None, failure=Reason.ERROR, detail="ZeroDivisionError")

    with pytest.raises(KitError, match=r"baseline crashed \(error: ZeroDivisionError.*executed"):
        run(project, 1, crashing)
    assert [one.number for one in run(project, 1, failing())] == [0, 1]


def test_a_baseline_that_was_not_measured_names_the_measurement(project: Path) -> None:
    def unmeasured(spec: RunSpec, waiting: None = None, **more: Callable[[], bool]) -> Run:
        made = made_up_runs.made_up_run(spec, waiting)
        (spec.folder / MEASURED_FILE).write_text("{}")
        return replace(made, score=None, failure=Reason.NOT_MEASURED, detail="measure.ipynb raised")

    with pytest.raises(KitError, match=r"mend \S+/measure.ipynb .*/measured.ipynb$"):
        run(project, 1, unmeasured)


def test_a_gpu_that_is_gone_ends_it_at_once(project: Path) -> None:
    gpu = Accelerator("cuda", (9, 0), 85_000, uuid="GPU-none")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            made_up_runs, "MACHINE", replace(made_up_runs.MACHINE, gpu=gpu, device="H100")
        )
        run(project, 0, failing())
        patch.setattr(
            machine_probe, "probe_inside", lambda *_: replace(made_up_runs.MACHINE, gpu=None)
        )
        with pytest.raises(KitError, match=f"experiment 1 could not be run: {WHY}"):
            run(project, 9, failing(1))
    assert [one.number for one in run(project, 1, failing())] == [1]
