"""Probes and profiles end with what they are part of: a stop, a pause, a kill, the end."""

import os
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from autoresearch_kit.campaign import probing
from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.campaign.context import Context
from autoresearch_kit.campaign.probing import Probing
from autoresearch_kit.errors import Cancelled, ExecutionError
from autoresearch_kit.execution import launch
from autoresearch_kit.execution.local import LocalPool
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import (
    Limits,
    Request,
    Run,
    RunSpec,
    Stage,
)
from tests.campaign import made_up_runs
from tests.campaign.probes import Patch, Sandbox, chat, night, sandbox
from tests.ledger.ledger import SETTINGS

__all__ = ["chat", "night", "sandbox"]


STOPPED = "stopped at once; what was under way starts again"


def stops(night: Campaign) -> Callable[..., Run]:
    """A run without a score in which a person asks to stop at once."""

    def stopped(_: RunSpec, *, cancelled: Callable[[], bool]) -> Run:
        night.workspace.ask(Request.STOP_NOW)
        assert cancelled()
        raise Cancelled("stopped")

    return stopped


def test_a_stop_ends_a_probe_and_loses_nothing(
    night: Campaign, sandbox: Sandbox, monkeypatch: Patch
) -> None:
    def stopped(spec: RunSpec, *, cancelled: Callable[[], bool]) -> Run:
        if not sandbox.specs:  # the baseline's profile
            return sandbox.unscored(spec, cancelled=cancelled)
        return stops(night)(spec, cancelled=cancelled)

    monkeypatch.setattr(launch, "execute_unscored", stopped)
    [baseline] = night.run(Limits(experiments=2))
    assert (baseline.kept, baseline.profiled is not None) == (True, True)
    state = night.workspace.state()
    assert state is not None
    assert (state.stage, state.message) == (Stage.ENDED, STOPPED)
    assert list(night.workspace.probe_runs.iterdir()) == []


def test_a_stop_ends_a_profile_and_loses_no_run(
    night: Campaign, sandbox: Sandbox, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(launch, "execute_unscored", stops(night))
    assert list(night.run(Limits(experiments=0))) == []
    assert sandbox.seen == ["run 0000 begins", "run 0000 ends"]
    monkeypatch.setattr(launch, "execute_unscored", sandbox.unscored)
    [baseline] = night.run(Limits(experiments=0))
    assert (baseline.kept, baseline.profiled is not None) == (True, True)
    assert [line for line in sandbox.seen if "run" in line] == ["run 0000 begins", "run 0000 ends"]


def test_a_killed_campaigns_probe_is_ended_by_the_next(night: Campaign) -> None:
    list(night.run(Limits(experiments=0)))
    folder = night.workspace.probe_runs / "0001-1"
    folder.mkdir()
    left = subprocess.Popen(
        ["sleep", "1000"], env=os.environ | {reap.RUN_ID: night.workspace.run_id(folder)}
    )
    list(night.run(Limits(experiments=0)))
    left.wait(60)
    assert not folder.exists()


def probing_in(context: Context, workspace: Workspace) -> Probing:
    return Probing(
        context, workspace, LocalPool(context.site, context.devices, workspace, workspace.runs)
    )


@pytest.fixture
def place(night: Campaign) -> Probing:
    """Return the prober of a campaign that has begun."""
    night.workspace.create()
    context = made_up_runs.made_up_context(night.workspace, night.history, SETTINGS)
    return probing_in(context, night.workspace)


def draft(night: Campaign) -> TrainNotebook:
    return made_up_runs.made_up_context(night.workspace, night.history, SETTINGS).baseline


def test_a_paused_campaign_makes_no_probe(
    night: Campaign, place: Probing, sandbox: Sandbox, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(probing, "PAUSE_POLL_SECONDS", 0.0)
    requests = [Request.PAUSE] * 8

    def request(_: object) -> Request | None:
        assert not (requests and sandbox.seen)
        return requests.pop() if requests else None

    monkeypatch.setattr(type(night.workspace), "request", request)
    place.probe(1, draft(night))
    assert sandbox.seen == ["probe 0001-1 begins", "probe 0001-1 ends"]


@pytest.mark.parametrize("closed", [True, False])
def test_after_the_end_nothing_is_probed(
    night: Campaign, place: Probing, sandbox: Sandbox, closed: bool
) -> None:
    if closed:
        place.close()
    else:
        night.workspace.write_request(Request.STOP_NOW)
    with pytest.raises(Cancelled):
        place.probe(1, draft(night))
    assert sandbox.seen == []


def test_the_end_waits_for_the_end_of_a_probe(
    night: Campaign, place: Probing, monkeypatch: Patch
) -> None:
    under_way, ended = threading.Event(), threading.Event()

    def endless(spec: RunSpec, *, cancelled: Callable[[], bool]) -> Run:
        under_way.set()
        while not cancelled():
            pass
        ended.set()
        raise Cancelled("stopped")

    monkeypatch.setattr(launch, "execute_unscored", endless)

    def work() -> None:
        with pytest.raises(Cancelled):
            place.probe(1, draft(night))

    thread = threading.Thread(target=work)
    thread.start()
    assert under_way.wait(60)
    place.close()
    assert ended.is_set()
    thread.join()
    assert list(night.workspace.probe_runs.iterdir()) == []


def test_a_probe_has_a_runs_budget_at_most(night: Campaign, sandbox: Sandbox) -> None:
    short = replace(SETTINGS, train_seconds=5.0, wall_seconds=40.0)
    context = made_up_runs.made_up_context(night.workspace, night.history, short)
    night.workspace.create()
    probing_in(context, night.workspace).probe(1, context.baseline)
    [spec] = sandbox.specs
    assert (spec.train_seconds, spec.wall_seconds) == (5.0, 40.0)


def test_a_probe_that_fails_is_an_execution_error(
    night: Campaign, place: Probing, sandbox: Sandbox
) -> None:
    sandbox.trouble = OSError(28, "No space left on device")
    with pytest.raises(ExecutionError, match="No space left on device"):
        place.probe(1, draft(night))
