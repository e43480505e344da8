"""A campaign goes on or ends well when its endpoint is down, refuses, or has cost enough."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign import start
from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.campaign.model_options import NO_ENDPOINT, ModelOptions
from autoresearch_kit.campaign.options import Options
from autoresearch_kit.campaign.settings import settle
from autoresearch_kit.errors import KitError, RefusedError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Limits, Request, Stage
from tests.campaign import made_up_runs, scripted
from tests.campaign.scripted import constants, submit
from tests.researchers.llm import server
from tests.researchers.llm.server import Answer, Body, ChatServer, calls, text

READY = text("ready")
DOWN = server.status(503, "the model is being loaded")


def is_check(body: Body) -> bool:
    return "Answer with one word" in server.said(body)


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with ChatServer(lambda _: READY) as running:
        yield running


@pytest.fixture
def begun(project: Path) -> Iterator[Path]:
    """Yield a project whose campaign makes its runs up, and has its baseline."""
    settings = replace(made_up_runs.SETTINGS, researcher="llm")
    with made_up_runs.made_up():
        list(Campaign("night", settings, root=project).run(Limits(experiments=0)))
        yield project


def test_optuna_stands_in_until_the_endpoint_is_back(
    begun: Path, chat: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    def script(body: Body) -> Answer:
        if is_check(body):
            return READY
        is_up = scripted.experiment_of(body) == 2
        return calls(constants(WIDTH=11), submit("Wider")) if is_up else DOWN

    chat.script = script
    campaign = Campaign("night", root=begun, model=scripted.model(chat, retries=0))
    with caplog.at_level("INFO"):
        experiments = list(campaign.run(Limits(experiments=2)))
    assert [each.proposal.researcher for each in experiments] == ["optuna", "llm"]
    assert "optuna proposes, since" in caplog.text
    assert "llm answers again" in caplog.text
    assert caplog.text.count("notice: 'night' needs help: optuna proposes, since") == 1


def test_without_a_fallback_the_campaign_ends_and_says_why(begun: Path, chat: ChatServer) -> None:
    chat.script = lambda body: READY if is_check(body) else DOWN
    asked = scripted.model(chat, fallback=False, retries=0)
    campaign = Campaign("night", root=begun, model=asked)
    with pytest.raises(KitError, match="llm can't be asked"):
        list(campaign.run(Limits(experiments=2)))
    assert len(campaign.history.experiments()) == 1


def test_a_cap_ends_it_and_a_higher_one_goes_on(begun: Path, chat: ChatServer) -> None:
    def script(body: Body) -> Answer:
        if is_check(body):
            return READY
        number = scripted.experiment_of(body)
        return calls(constants(WIDTH=10 + number), submit(f"{number} wider"))

    chat.script = script
    campaign = Campaign("night", root=begun, model=scripted.model(chat))
    first = list(campaign.run(Limits(experiments=2, tokens=7_500)))
    state = campaign.workspace.state()
    assert state is not None
    assert (state.stage, len(first)) == (Stage.ENDED, 1)
    assert "higher --max-tokens" in state.message
    assert len(list(campaign.run(Limits(experiments=2, tokens=100_000)))) == 1


def test_a_wrong_key_ends_it_before_anything_runs(project: Path, chat: ChatServer) -> None:
    chat.script = lambda _: server.status(401, "Incorrect API key provided")
    campaign = scripted.campaign(project, project, scripted.model(chat))
    with pytest.raises(RefusedError, match="OPENAI_API_KEY"):
        next(campaign.run(Limits(experiments=2)))
    assert not campaign.workspace.kit.exists()


def test_without_an_endpoint_it_says_that_optuna_proposes(project: Path) -> None:
    said: list[str] = []
    workspace = Workspace(project, "night")
    settings = settle(project, "night", Options(dataset="nowhere", researcher="llm"))
    with pytest.raises(KitError, match="nowhere"):
        start.start(workspace, settings, Limits(), ModelOptions(), None, {}, said.append)
    assert f"warning: {NO_ENDPOINT}" in said


def autoresearch(root: Path, *argv: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    code = "from autoresearch_kit.ui import cli; cli.main()"
    env = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    return subprocess.run(
        [sys.executable, "-c", code, "run", "night", "--model", "scripted", *argv],
        cwd=root,
        env=env | environment,
        capture_output=True,
        text=True,
    )


def test_a_wrong_model_is_one_line_and_nothing_is_started(project: Path, chat: ChatServer) -> None:
    chat.script = lambda _: server.status(404, "The model `scripted` does not exist")
    done = autoresearch(project, "--researcher", "llm", OPENAI_BASE_URL=chat.url)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: no model 'scripted' at http")
    assert "Traceback" not in done.stderr
    assert History(project, "night").experiments() == []


@pytest.mark.slow
def test_the_command_hands_the_key_over_unseen(
    project: Path, corpus: Path, chat: ChatServer
) -> None:
    seen: list[str] = []
    workspace = Workspace(project, "night")

    def script(body: Body) -> Answer:
        assert is_check(body)  # by the command, and again by the campaign's own process
        for folder in Path("/proc").glob("[0-9]*") if sys.platform == "linux" else ():
            arguments, environment = read(folder / "cmdline"), read(folder / "environ")
            if "campaign.detached" in arguments and str(project) in arguments:
                seen.append(arguments + environment)
        if seen:
            workspace.ask(Request.STOP)  # before anything runs
        return READY

    chat.script = script
    argv = ["--researcher", "llm", "--dataset", str(corpus), "--train-seconds", "1"]
    environment = {"OPENAI_BASE_URL": chat.url, "OPENAI_API_KEY": scripted.KEY}
    done = autoresearch(project, *argv, **environment)
    assert done.returncode == 0, done.stderr
    assert seen
    assert not [words for words in seen if scripted.KEY in words]
    assert scripted.KEY not in done.stdout + done.stderr + workspace.log.read_text()


def read(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""
