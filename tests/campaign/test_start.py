"""A start that is refused changes nothing, and one that has just begun can be stopped."""

import signal
from pathlib import Path

import pytest

from autoresearch_kit.campaign import context, start
from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.campaign.model_options import BASE_URL, KEY, ModelOptions
from autoresearch_kit.campaign.options import Options
from autoresearch_kit.campaign.settings import settle
from autoresearch_kit.errors import BusyError, InputError, KitError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.machine import gpu_nodes
from autoresearch_kit.records import Destinations, Limits, Request, Research, Stage
from autoresearch_kit.researchers import Model
from tests.campaign import made_up_runs, tiny
from tests.campaign.waiting import ended
from tests.researchers.llm.server import ChatServer, text

NOWHERE = Options(dataset="nowhere")


@pytest.fixture
def workspace(project: Path) -> Workspace:
    made = Workspace(project, "night")
    made.create()
    return made


def files(workspace: Workspace) -> dict[str, bytes]:
    """Return what is written down of the campaign."""
    return {path.name: path.read_bytes() for path in sorted(workspace.folder.glob("*.json"))}


def test_a_refused_start_changes_no_settings(workspace: Workspace) -> None:
    workspace.write_research(Research("before"))
    workspace.write_destinations(Destinations(webhook="http://127.0.0.1:1/before"))
    before = files(workspace)
    settings = settle(workspace.root, "night", Options(dataset="nowhere", researcher="llm"))
    destinations = Destinations(webhook="http://127.0.0.1:1/after")
    said: list[str] = []
    with workspace.lock(), ChatServer(lambda _: text("ready")) as server:
        environment = {BASE_URL: server.url, KEY: "sk"}
        asked = ModelOptions(model="after")
        with pytest.raises(BusyError):
            start.start(
                workspace, settings, Limits(), asked, destinations, environment, said.append
            )
        model = Model(Research("after", base_url=server.url), "sk")
        with pytest.raises(BusyError):  # it was free a moment ago
            start.spawn(workspace, settings, Limits(), model, destinations)
    assert files(workspace) == before


def test_an_unused_gpu_is_said_before_the_start(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(gpu_nodes, "DEV", tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    settings = settle(workspace.root, "night", Options(dataset="nowhere", profile="cpu"))
    said: list[str] = []
    with pytest.raises(KitError, match="nowhere"):
        start.start(workspace, settings, Limits(), ModelOptions(), None, {}, said.append)
    assert any("a GPU's driver is here, but torch uses none" in line for line in said)


def test_the_kit_runs_its_copy_and_not_the_checkout(workspace: Workspace) -> None:
    package = workspace.root / "autoresearch_kit"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('from the checkout')\n")
    settings = settle(workspace.root, "night", NOWHERE)
    assert ended(workspace, start.spawn(workspace, settings, Limits())) == 1
    assert "no corpus 'nowhere'" in workspace.log.read_text()
    with pytest.raises(KitError, match="no corpus 'nowhere'"):
        context.prepare("nowhere")


def test_a_copy_of_another_version_is_refused_in_one_line(workspace: Workspace) -> None:
    (workspace.kit / "autoresearch_kit").mkdir(parents=True)
    settings = settle(workspace.root, "night", NOWHERE)
    with pytest.raises(InputError, match="was begun by another version of the kit"):
        start.spawn(workspace, settings, Limits())
    assert workspace.running() is False


def test_a_stop_asked_for_before_the_process_began_holds(workspace: Workspace) -> None:
    held = workspace.take_lock()
    workspace.ask(Request.STOP)
    with made_up_runs.made_up():
        night = Campaign("night", made_up_runs.SETTINGS, root=workspace.root, held=held)
        assert list(night.run(Limits(experiments=1))) == []
    state = workspace.state()
    assert state is not None
    assert state.stage is Stage.ENDED
    assert state.message == "stopped, as asked; the next start goes on"
    assert not workspace.running()


@pytest.mark.slow
@pytest.mark.parametrize("request_", [Request.STOP, signal.SIGTERM])
def test_a_process_that_is_starting_can_be_stopped(
    request_: Request | signal.Signals, workspace: Workspace, corpus: Path
) -> None:
    workspace.write_request(Request.PAUSE)  # left over from an earlier process
    settings = settle(workspace.root, "night", tiny.options(corpus))
    process = start.spawn(workspace, settings, Limits(experiments=1))
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
