"""What a campaign does when its endpoint is down, refuses, or has cost enough."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.errors import KitError, RefusedError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Limits, Stage
from tests.campaign import quick, scripted
from tests.campaign.scripted import constants, submit
from tests.researchers.llm import server
from tests.researchers.llm.server import Answer, Body, ChatServer, calls, text

pytestmark = pytest.mark.slow

READY = text("ready")
SETTINGS = replace(quick.SETTINGS, researcher="llm")
DOWN = server.status(503, "the model is being loaded")


def is_check(body: Body) -> bool:
    return "Answer with one word" in server.said(body)


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with ChatServer(lambda _: READY) as running:
        yield running


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Path:
    """A project whose campaign has its baseline."""
    project = scripted.make_project(tmp_path_factory.mktemp("begun") / "project")
    list(scripted.campaign(project, corpus, None).run(Limits(experiments=0)))
    return project


@pytest.fixture
def root(tmp_path: Path, begun: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that project, as the current folder."""
    project = shutil.copytree(begun, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(project)
    return project


@pytest.fixture
def unrun(tmp_path: Path) -> Iterator[Path]:
    """A project whose campaign makes its runs up, and has its baseline."""
    project = scripted.make_project(tmp_path / "unrun")
    with quick.made_up():
        list(Campaign("night", SETTINGS, root=project).run(Limits(experiments=0)))
        yield project


def test_optuna_stands_in_until_the_endpoint_is_back(
    unrun: Path, chat: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    up = {2}

    def script(body: Body) -> Answer:
        if is_check(body):
            return READY
        number = scripted.experiment_of(body)
        return calls(constants(WIDTH=11), submit("Wider")) if number in up else DOWN

    chat.script = script
    campaign = Campaign("night", root=unrun, model=scripted.model(chat, retries=0))
    with caplog.at_level("INFO"):
        experiments = list(campaign.run(Limits(experiments=2)))
    assert [one.proposal.researcher for one in experiments] == ["optuna", "llm"]
    assert "optuna proposes, since" in caplog.text
    assert "llm answers again" in caplog.text
    assert caplog.text.count("notice: 'night' needs help: optuna proposes, since") == 1


def test_without_a_stand_in_the_campaign_ends_and_says_why(unrun: Path, chat: ChatServer) -> None:
    chat.script = lambda body: READY if is_check(body) else DOWN
    asked = scripted.model(chat, fallback=False, retries=0)
    campaign = Campaign("night", root=unrun, model=asked)
    with pytest.raises(KitError, match="llm can't be asked"):
        list(campaign.run(Limits(experiments=2)))
    assert len(campaign.history.experiments()) == 1


def test_a_wrong_key_ends_it_before_anything_runs(
    tmp_path: Path, corpus: Path, chat: ChatServer
) -> None:
    chat.script = lambda _: server.status(401, "Incorrect API key provided")
    project = scripted.make_project(tmp_path / "new")
    campaign = scripted.campaign(project, corpus, scripted.model(chat))
    with pytest.raises(RefusedError, match="OPENAI_API_KEY"):
        next(campaign.run(Limits(experiments=2)))
    assert not campaign.workspace.kit.exists()


def test_a_cap_ends_it_cleanly_and_a_higher_one_goes_on(
    root: Path, corpus: Path, chat: ChatServer
) -> None:
    def script(body: Body) -> Answer:
        if is_check(body):
            return READY
        number = scripted.experiment_of(body)
        return calls(constants(STEPS=4 + number), submit(f"{number} more"))

    chat.script = script
    campaign = scripted.campaign(root, corpus, scripted.model(chat))
    first = list(campaign.run(Limits(experiments=2, tokens=7_500)))
    state = campaign.workspace.state()
    assert state is not None
    assert (state.stage, len(first)) == (Stage.ENDED, 1)
    assert "higher --max-tokens" in state.message
    assert len(list(campaign.run(Limits(experiments=2, tokens=100_000)))) == 1


def autoresearch(root: Path, *argv: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    code = "from autoresearch_kit.ui import cli; cli.main()"
    env = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    return subprocess.run(
        [sys.executable, "-c", code, *argv],
        cwd=root,
        env=env | environment,
        capture_output=True,
        text=True,
    )


def run_argv(corpus: Path) -> list[str]:
    argv = ["run", "night", "--researcher", "llm", "--model", "scripted"]
    argv += ["--train-seconds", str(scripted.TRAIN_SECONDS), "--max-experiments", "1"]
    return [*argv, "--dataset", str(corpus)]


def test_the_command_hands_the_key_over_unseen(root: Path, corpus: Path, chat: ChatServer) -> None:
    seen: list[str] = []

    def script(body: Body) -> Answer:
        if is_check(body):
            return READY
        for folder in Path("/proc").glob("[0-9]*") if sys.platform == "linux" else ():
            arguments, environment = read(folder / "cmdline"), read(folder / "environ")
            if "autoresearch_kit.campaign.detached" in arguments:
                seen.append(arguments + environment)
        return calls(constants(STEPS=9), submit("More steps"))

    chat.script = script
    done = autoresearch(
        root, *run_argv(corpus), OPENAI_BASE_URL=chat.url, OPENAI_API_KEY=scripted.KEY
    )
    assert done.returncode == 0, done.stderr
    assert "More steps" in done.stdout
    assert seen
    assert not [words for words in seen if scripted.KEY in words]
    log = Workspace(root, "night").log.read_text()
    assert scripted.KEY not in done.stdout + done.stderr + log


def read(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""


def test_a_wrong_model_is_one_line_and_nothing_is_started(
    root: Path, corpus: Path, chat: ChatServer
) -> None:
    chat.script = lambda _: server.status(404, "The model `scripted` does not exist")
    done = autoresearch(root, *run_argv(corpus), OPENAI_BASE_URL=chat.url)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: no model 'scripted' at http")
    assert "Traceback" not in done.stderr
    assert len(History(root, "night").experiments()) == 1


def test_without_an_endpoint_optuna_proposes_and_it_says_so(root: Path, corpus: Path) -> None:
    done = autoresearch(root, *run_argv(corpus))
    assert done.returncode == 0, done.stderr
    assert "neither OPENAI_API_KEY nor OPENAI_BASE_URL is set" in done.stdout
    assert History(root, "night").experiments()[1].proposal.researcher == "optuna"
