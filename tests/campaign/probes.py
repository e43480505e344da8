"""A campaign whose runs and probes are made up, and a model that probes its drafts."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.execution import handover, launch
from autoresearch_kit.records import (
    ProfileRow,
    Run,
    RunSpec,
    StepProfile,
)
from autoresearch_kit.records.codec import encode
from tests.campaign import made_up_runs, scripted
from tests.campaign.scripted import constants, edit, submit
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
