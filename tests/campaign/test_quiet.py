"""Waiting for a quiet machine: what is looked at is made up, the waiting is real but short."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import TypeVar

import pytest

from autoresearch_kit.campaign import quiet
from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.campaign.orders import Steps
from autoresearch_kit.campaign.quiet import patience, wait_until_quiet
from autoresearch_kit.errors import Cancelled
from autoresearch_kit.execution.devices import Device
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.machine import gpu
from autoresearch_kit.machine.gpu import GpuLook
from autoresearch_kit.records import Accelerator, Conditions, Limits, Request, Stage, State
from tests.campaign import made_up_runs
from tests.ledger import ledger

QUIET = Conditions(0.05, 0.2)
BUSY = Conditions(0.5, 2.2, "stress (1.0 cores)")
GPU = Accelerator("cuda", (9, 0), 80_000.0, "GPU-1")
GPU_0 = Device("gpu0", replace(made_up_runs.MACHINE, gpu=GPU), ledger.FINGERPRINT)
LOOK = GpuLook("GPU-1", "H100", 1980, 1980, 40, slowed=False, computing={})


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path, "night")
    made.create()
    return made


T = TypeVar("T")

Looks = Callable[[Iterator[Conditions]], None]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    def use(seen: Iterator[Conditions]) -> None:
        monkeypatch.setattr(quiet, "look", lambda heartbeat, *_: made_up_look(heartbeat, seen))

    return use


def made_up_look(heartbeat: Heartbeat, seen: Iterator[Conditions]) -> Steps[Conditions]:
    heartbeat.obey()
    yield ()
    return next(seen)


def result(steps: Steps[T]) -> T:
    """Return the result of steps that want no run."""
    try:
        while True:
            assert next(steps) == ()
    except StopIteration as ended:
        value: T = ended.value
        return value


def wait(workspace: Workspace, seconds: float, hours: float | None = None) -> bool:
    heartbeat = Heartbeat(workspace, Limits(hours=hours))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quiet, "patience", lambda *_: seconds)
        return result(wait_until_quiet(heartbeat, ledger.SETTINGS, (GPU_0,), usual=0.0))


def state(workspace: Workspace) -> State:
    found = workspace.state()
    assert found is not None
    return found


def test_it_is_over_after_two_quiet_looks_in_a_row(workspace: Workspace, looks: Looks) -> None:
    looks(iter([BUSY, QUIET, BUSY, QUIET, QUIET]))
    assert wait(workspace, 60.0)


def test_it_is_bounded_and_ends_with_the_campaign_s_hours(
    workspace: Workspace, looks: Looks
) -> None:
    looks(repeat(BUSY))
    assert not wait(workspace, 0.02)
    assert not wait(workspace, 3600.0, hours=1e-6)


def test_the_state_says_who_is_busy_and_how_long(workspace: Workspace, looks: Looks) -> None:
    looks(iter([BUSY, QUIET, QUIET]))
    wait(workspace, 60.0)
    assert state(workspace).stage is Stage.WAITING
    assert state(workspace).message == (
        "for a quiet machine, at most 60 s more: 50% of the cores' time went elsewhere just now, "
        "30% allowed; busiest: stress (1.0 cores)"
    )


@pytest.mark.parametrize("request_made", [Request.STOP, Request.STOP_NOW])
def test_a_person_can_stop_it(workspace: Workspace, request_made: Request) -> None:
    workspace.write_request(request_made)
    with pytest.raises(Cancelled):
        wait(workspace, 60.0)


def test_who_computes_on_the_run_s_gpu_is_not_quiet(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = {"GPU-1": replace(LOOK, computing={7: 90, 8: 2})}
    monkeypatch.setattr(gpu, "look", lambda uuid: (looks[uuid],))
    seen = result(quiet.look(Heartbeat(workspace, Limits()), [GPU_0], 0.0))
    assert seen is not None
    assert [(one.name, one.others) for one in seen.gpus] == [("H100", 1)]


def test_patience_doubles_up_to_an_hour() -> None:
    assert [patience(60.0, times) for times in range(3)] == [120.0, 240.0, 480.0]
    assert (patience(1.0), patience(3600.0), patience(3600.0, 5)) == (60.0, 900.0, 3600.0)


def test_nothing_is_waited_for_with_a_cluster(workspace: Workspace) -> None:
    heartbeat = Heartbeat(workspace, Limits())
    waits = wait_until_quiet(heartbeat, ledger.SETTINGS, (), usual=0.0)
    with pytest.raises(StopIteration):
        next(waits)
