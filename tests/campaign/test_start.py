"""A start that is refused, and one that is asked to stop before it has begun."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from autoresearch_kit.campaign import detached, start
from autoresearch_kit.campaign.loop import Campaign
from autoresearch_kit.campaign.model_options import BASE_URL, KEY, ModelWishes
from autoresearch_kit.campaign.options import Wishes, settle
from autoresearch_kit.errors import BusyError, KitError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.machine import gpu_nodes
from autoresearch_kit.records import Errands, Limits, Request, Research, Stage, codec
from autoresearch_kit.researchers import Model
from tests.campaign import quick, tiny
from tests.campaign.moments import ended
from tests.researchers.llm.server import ChatServer, text

SIGNALLED = """
import os, signal, sys, threading
from autoresearch_kit.campaign import detached
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
sys.exit(detached.main(*sys.argv[1:]))
"""
"""The campaign process, which hears a signal while it waits for the lock."""


@pytest.fixture
def workspace(project: Path) -> Workspace:
    place = Workspace(project, "night")
    place.create()
    return place


def files(workspace: Workspace) -> dict[str, bytes]:
    """What is written down of the campaign."""
    return {path.name: path.read_bytes() for path in sorted(workspace.folder.glob("*.json"))}


def test_a_refused_start_changes_no_settings(workspace: Workspace) -> None:
    workspace.write_research(Research("before"))
    workspace.write_errands(Errands(webhook="http://127.0.0.1:1/before"))
    before = files(workspace)
    wishes = Wishes(dataset="nowhere", researcher="llm")
    settings = settle(workspace.root, "night", wishes)
    errands = Errands(webhook="http://127.0.0.1:1/after")
    said: list[str] = []
    with workspace.lock(), ChatServer(lambda _: text("ready")) as server:
        environment = {BASE_URL: server.url, KEY: "sk"}
        asked = ModelWishes(model="after")
        with pytest.raises(BusyError):
            start.start(workspace, settings, Limits(), asked, errands, environment, said.append)
        model = Model(Research("after", base_url=server.url), "sk")
        with pytest.raises(BusyError):  # it was free a moment ago
            detached.start(workspace, settings, Limits(), model, errands)
    assert files(workspace) == before


def test_a_gpu_that_torch_does_not_use_is_said_before_the_start(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CPU was asked for: else `settle` refuses."""
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(gpu_nodes, "DEV", tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    settings = settle(workspace.root, "night", Wishes(dataset="nowhere", profile="cpu"))
    said: list[str] = []
    with pytest.raises(KitError, match="nowhere"):
        start.start(workspace, settings, Limits(), ModelWishes(), None, {}, said.append)
    assert any("a GPU's driver is here, but torch uses none" in line for line in said)


def test_a_stop_asked_for_before_the_process_began_holds(workspace: Workspace) -> None:
    held = workspace.take_lock()
    workspace.ask(Request.STOP)
    with quick.made_up():
        night = Campaign("night", quick.SETTINGS, root=workspace.root, held=held)
        assert list(night.run(Limits(experiments=1))) == []
    state = workspace.state()
    assert state is not None
    assert (state.stage, state.message) == (
        Stage.ENDED,
        "stopped, as asked; the next start goes on",
    )
    assert not workspace.running()


@pytest.mark.slow
@pytest.mark.parametrize("request_", [Request.STOP, Request.STOP_NOW, signal.SIGTERM])
def test_a_process_that_is_starting_can_be_stopped(
    request_: Request | signal.Signals, workspace: Workspace, corpus: Path
) -> None:
    workspace.write_request(Request.PAUSE)  # left over from an earlier process
    settings = settle(workspace.root, "night", tiny.wishes(corpus))
    process = detached.start(workspace, settings, Limits(experiments=1))
    state = workspace.state()
    assert state is not None
    assert state.stage is Stage.STARTING
    if isinstance(request_, Request):
        workspace.ask(request_)
        assert ended(workspace, process) == 0
    else:
        process.send_signal(request_)
        assert ended(workspace, process) in (0, -request_)
    assert History(workspace.root, "night").experiments() == []
    assert not workspace.running()


def test_a_signal_while_waiting_for_the_lock_stops_no_other(workspace: Workspace) -> None:
    settings = codec.encode(settle(workspace.root, "night", Wishes(dataset="nowhere")))
    argv = [sys.executable, "-c", SIGNALLED, str(workspace.root), "night"]
    argv += [settings.decode(), codec.encode(Limits()).decode()]
    with workspace.lock():
        before = files(workspace)
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert workspace.request() is None
    assert done.returncode == 1
    assert "stopped while waiting for the campaign's lock; nothing was changed" in done.stderr
    assert files(workspace) == before
