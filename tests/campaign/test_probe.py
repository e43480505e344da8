"""Probes of drafts, and profiles of keeps, in a campaign whose runs are made up."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign import probing
from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.campaign.context import Context
from autoresearch_kit.campaign.probing import Probing
from autoresearch_kit.errors import Cancelled, ExecutionError
from autoresearch_kit.execution import handover, launch
from autoresearch_kit.execution.local import LocalPool
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import (
    Experiment,
    Limits,
    ProfileRow,
    Request,
    Run,
    RunSpec,
    Stage,
    StepProfile,
)
from autoresearch_kit.records.codec import encode
from autoresearch_kit.reports import tables
from autoresearch_kit.reports.summary import summarise
from autoresearch_kit.ui import cli
from tests.campaign import made_up_runs, scripted, tiny
from tests.campaign.scripted import constants, edit, submit
from tests.ledger.ledger import SETTINGS
from tests.researchers.llm.server import Answer, Body, ChatServer, calls, said, text

Patch = pytest.MonkeyPatch
PROBE: tuple[str, Body] = ("probe", {})
STEPS = StepProfile(5, 9.0, 2.0, 3.0, 4.0, False, (ProfileRow("aten::mm", 0.5, 1.0, 2.0),))


def answer(body: Body) -> Answer:
    """1 probes and changes constants for the better, 2 changes the model, each once asked."""
    if "Answer with one word" in said(body):
        return text("ready")
    number = scripted.experiment_of(body)
    turns = {
        1: [
            calls(constants(RATE=0.0311), PROBE),
            calls(constants(RATE=0.0311111), submit("Faster", "constants")),
        ],
        2: [
            calls(
                edit(
                    "model",
                    "self.head(self.embed(tokens))",
                    "self.head(1.111 * self.embed(tokens))",
                ),
                PROBE,
            ),
            calls(submit("Scale", "architecture")),
        ],
    }[number]
    return turns[min(scripted.turn_of(body), len(turns) - 1)]


@dataclass
class Sandbox:
    """Runs without a score, made up: 3 s of training in 8 s. What happened, in order.

    Each experiment has one run; the run `outlasts` does not end before a probe has waited for it.
    """

    seen: list[str] = field(default_factory=list)
    specs: list[RunSpec] = field(default_factory=list)
    trouble: OSError | None = None
    outlasts: str = ""
    runs: int = 0
    polls: int = 0
    begun: threading.Event = field(default_factory=threading.Event)
    waited: threading.Event = field(default_factory=threading.Event)

    def unscored(self, spec: RunSpec, *, cancelled: Callable[[], bool]) -> Run:
        self.seen.append(f"probe {spec.folder.name} begins")
        self.specs.append(spec)
        if self.trouble:
            raise self.trouble
        run = made_up_runs.made_up_run(spec)
        (spec.folder / handover.WORK_FOLDER / handover.PROFILE_FILE).write_bytes(encode(STEPS))
        self.seen.append(f"probe {spec.folder.name} ends")
        return replace(run, score=None, train_seconds=3.0, wall_seconds=8.0, parts={})

    def scored(self, spec: RunSpec, waiting: None = None, **more: object) -> Run:
        name, self.runs = f"{self.runs:04d}", self.runs + 1
        self.seen.append(f"run {name} begins")
        if name == self.outlasts:
            self.polls = 0
            self.begun.set()
            assert self.waited.wait(60)
        run = made_up_runs.made_up_run(spec)
        self.seen.append(f"run {name} ends")
        return run

    def polled(self) -> None:
        """A probe looks whether it may go on: the first time before it stands in the queue.

        That of the next draft begins after the run.
        """
        if f"probe {self.outlasts}-1 ends" in self.seen:
            assert self.begun.wait(60)
        self.polls += 1
        if self.seen[-1:] == [f"run {self.outlasts} begins"] and self.polls > 2:
            self.waited.set()


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with ChatServer(answer) as server:
        yield server


def campaign_in(root: Path, chat: ChatServer, sandbox: Sandbox, patch: Patch) -> Campaign:
    settings = replace(
        made_up_runs.SETTINGS, researcher="llm", train_seconds=300.0, wall_seconds=720.0
    )
    made_up_runs.make_up(patch)
    patch.setattr(launch, "execute", sandbox.scored)
    patch.setattr(launch, "execute_unscored", sandbox.unscored)
    return Campaign("night", settings, root=root, model=scripted.model(chat))


@pytest.fixture
def night(project: Path, chat: ChatServer, sandbox: Sandbox, monkeypatch: Patch) -> Campaign:
    return campaign_in(project, chat, sandbox, monkeypatch)


@dataclass(frozen=True)
class Done:
    """A campaign of two ideas, both probed and kept."""

    night: Campaign
    experiments: list[Experiment]
    chat: ChatServer
    sandbox: Sandbox


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    root, sandbox = tiny.make_project(tmp_path_factory.mktemp("probes") / "project"), Sandbox()
    with Patch.context() as patch, ChatServer(answer) as chat:
        night = campaign_in(root, chat, sandbox, patch)
        return Done(night, list(night.run(Limits(experiments=2))), chat, sandbox)


def about(chat: ChatServer, number: int) -> list[Body]:
    asked = [body for body in chat.bodies if "Answer with one word" not in said(body)]
    return [body for body in asked if scripted.experiment_of(body) == number]


def test_a_keep_is_profiled_once_for_each_structure(done: Done) -> None:
    assert [one.kept for one in done.experiments] == [True, True, True]
    assert [one.profiled is not None for one in done.experiments] == [True, False, True]
    assert done.experiments[2].profiled is not None
    assert done.experiments[2].profiled.steps == STEPS
    assert "aten::mm" in said(about(done.chat, 1)[0])
    assert [spec.train_seconds for spec in done.sandbox.specs] == [10.0, 30.0, 30.0, 10.0]
    assert {(spec.profiled, spec.waits) for spec in done.sandbox.specs} == {(True, False)}
    assert done.night.history.experiments() == done.experiments


def test_probes_leave_nothing_and_share_no_seed(done: Done) -> None:
    assert list(done.night.workspace.probe_runs.iterdir()) == []
    assert list(done.night.workspace.runs.iterdir()) == []
    runs = [run.seed for one in done.experiments for run in one.runs]
    assert not {spec.seed for spec in done.sandbox.specs} & set(runs)


def test_a_probe_waits_while_a_run_is_measured(
    night: Campaign, sandbox: Sandbox, monkeypatch: Patch
) -> None:
    really = Probing._obey

    def obey(self: Probing) -> None:
        really(self)
        sandbox.polled()

    monkeypatch.setattr(Probing, "_obey", obey)
    sandbox.outlasts = "0001"
    list(night.run(Limits(experiments=2)))
    second = sandbox.seen.index("run 0001 begins")
    assert sandbox.seen[second:] == [
        "run 0001 begins",
        "run 0001 ends",
        "probe 0002-1 begins",
        "probe 0002-1 ends",
        "run 0002 begins",
        "run 0002 ends",
        "probe 0002-1 begins",  # the profile of what is kept
        "probe 0002-1 ends",
    ]


def test_probes_and_profiles_are_counted_and_shown(
    done: Done, monkeypatch: Patch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(done.night.root)
    assert [len(one.probes) for one in done.experiments] == [0, 1, 1]
    summary = summarise("night", done.experiments)
    assert summary.spent.parts["probes"] == 16.0
    assert summary.spent.parts["profiles"] == 16.0
    frame = tables.to_frame(done.night.history.entries())
    assert frame["unscored_seconds"].tolist() == [8.0, 8.0, 16.0]
    assert frame["wall_seconds"].tolist() == [1.1, 1.1, 1.1]
    assert [row.seconds for row in summary.table] == [9.1, 9.1, 17.1]
    shown = command(capsys, monkeypatch, "show", "night", "2")
    assert "probes 3.0 s of training in 8.0 s, 9 steps, 90 tokens" in shown
    assert "profile 2 ms typically" in shown
    assert "aten::mm 50%" in shown
    assert "probes " in command(capsys, monkeypatch, "status", "night")


def command(capsys: pytest.CaptureFixture[str], monkeypatch: Patch, *argv: str) -> str:
    """Run `autoresearch ARGV` and return the words it prints."""
    monkeypatch.setattr(sys, "argv", ["autoresearch", *argv])
    with pytest.raises(SystemExit):
        cli.main()
    return " ".join(capsys.readouterr().out.split())


def test_a_failed_profile_or_probe_costs_nothing(
    night: Campaign, chat: ChatServer, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.trouble = OSError(28, "No space left on device")
    experiments = list(night.run(Limits(experiments=1)))
    assert [one.kept for one in experiments] == [True, True]
    assert [one.profiled for one in experiments] == [None, None]
    assert caplog.text.count("no profile of its steps: ") == 2
    assert "the probe could not be made: " in said(about(chat, 1)[-1])


def test_without_a_language_model_nothing_is_profiled(
    project: Path, sandbox: Sandbox, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(launch, "execute_unscored", sandbox.unscored)
    assert [one.profiled for one in made_up_runs.run(project, 1)] == [None, None]
    assert sandbox.seen == []


STOPPED = "stopped at once; what was under way starts again"


def stops(night: Campaign) -> Callable[..., Run]:
    """Return a run without a score in which a person asks to stop at once."""

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


# One by one


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
