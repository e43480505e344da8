"""A campaign in git that nobody ran, for a researcher to go on with."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import (
    DatasetInfo,
    Experiment,
    Limits,
    Machine,
    Proposal,
    Reason,
    Research,
    Run,
    SandboxLevel,
    Score,
    Verdict,
)
from autoresearch_kit.researchers import Model, Surroundings, View, view_of
from autoresearch_kit.researchers.base import MakeProbe
from autoresearch_kit.researchers.llm.researcher import LLMResearcher
from autoresearch_kit.researchers.spending import Meter
from autoresearch_kit.verdicts.decide import Decision
from tests.campaign import tiny
from tests.researchers import fake_campaign
from tests.researchers.llm.server import Answer, Body, ChatServer, in_turn, text

MACHINE = Machine("A CPU", False, "float32", True, 2, 16_000, "2.13", "3.11", "Linux")
DATASET = DatasetInfo(
    "stdlib", 1024, 512, 128, 9_000_000, 1_000_000, 1_000_000, 27_000_000, 3_000_000, 3_000_000,
    "c", "t", "p", 1.75,
)  # fmt: skip
KEY = "planted-key-0123456789"


def run_of(value: float | None, reason: Reason, detail: str) -> Run:
    score = None if value is None else Score("val_bpb", value, 1.0, 1, 1, 0.0, 1.0)
    failure = None if value is not None else reason
    return Run(1, score, failure, detail, 300.0, 9.0, 330.0, 1200, 2_400_000, 812.0,
               SandboxLevel.BUBBLEWRAP)  # fmt: skip


@dataclass
class Ledger:
    """A project, and experiments put into its git as if they had been run."""

    root: Path

    @property
    def history(self) -> History:
        return History(self.root, "night")

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.root, "night")

    @property
    def view(self) -> View:
        view = view_of(self.history, self.workspace, self.history.experiments())
        assert view is not None
        return view

    @property
    def around(self) -> Surroundings:
        settings = self.history.experiments()[0].settings
        return Surroundings(self.history, self.workspace, settings, MACHINE, DATASET)

    def add(
        self,
        proposal: Proposal,
        verdict: Verdict = Verdict.DISCARD,
        reason: Reason = Reason.WORSE,
        value: float | None = 1.7,
        detail: str = "",
        metrics: bytes = b"",
        *,
        ran: bool = True,
        executed: bytes = b"",
        steps: tuple[int, ...] = (1200,),
        audit: float | None = None,
    ) -> Experiment:
        if proposal.parent is None:
            notebook = TrainNotebook.read(self.root / "notebooks" / "train.ipynb")
        else:
            parent = TrainNotebook.parse(self.history.source(proposal.parent))
            notebook = parent.apply(proposal.edits, proposal.constants)
        made = fake_campaign.experiment(
            proposal, notebook, value, Decision(verdict, reason, detail), "night"
        )
        hour = f"2026-01-01T{proposal.number:02d}:00:00+00:00"
        run = run_of(value, reason, detail)
        if audit is not None:
            run = replace(run, audit=Score("audit_bpb", audit, 1.0, 1, 1, 0.0, 1.0))
        runs = tuple(replace(run, steps=made) for made in steps) if ran else ()
        made = replace(made, runs=runs, started=hour, finished=hour)
        files = {"metrics.jsonl": metrics, "run-1.ipynb": executed}
        kept = {name: data for name, data in files.items() if data}
        self.history.append(made, notebook.text(), kept)
        return made

    def constants(self, number: int, value: float | None = 1.7, **values: float) -> Experiment:
        """Return a discarded (or, without a value, crashed) change of constants."""
        idea = ", ".join(f"{name} = {new}" for name, new in values.items())
        proposal = Proposal(number, self.view.best, "llm", idea, "", constants=values)
        if value is None:
            return self.add(proposal, Verdict.CRASH, Reason.OUT_OF_MEMORY, None, "out of memory")
        best = self.view.experiment(self.view.best).score
        if best is not None and value < best:
            return self.add(proposal, Verdict.KEEP, Reason.BETTER, value)
        return self.add(proposal, value=value)


def executed(printed: str = "", *traceback: str) -> bytes:
    """Return an executed notebook whose cell `train` printed this, and ended with this error."""
    outputs: list[object] = [{"output_type": "stream", "name": "stdout", "text": printed}]
    if traceback:
        outputs.append({"output_type": "error", "traceback": traceback})
    cell = {"metadata": {"name": "train"}, "execution_count": 5, "outputs": outputs}
    return json.dumps({"cells": [cell]}).encode()


CURVE = b"".join(
    b'{"step": %d, "seconds": %d, "loss": %.3f, "tokens": %d}\n'
    % (n, n * 3, 7 - n / 25, n * 24_000)
    for n in range(101)
)


def begin(root: Path) -> Ledger:
    """A campaign with a baseline, in a new project at `root`."""
    begun = Ledger(tiny.make_project(root))
    begun.workspace.create()
    begun.add(fake_campaign.BASELINE, Verdict.KEEP, Reason.BASELINE, 1.6, metrics=CURVE)
    return begun


@cache
def _begun(folder: Path) -> Path:
    return begin(folder / "begun").root


@pytest.fixture
def ledger(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """Return a campaign with a baseline, begun once and copied."""
    begun = _begun(tmp_path_factory.getbasetemp())
    return Ledger(shutil.copytree(begun, tmp_path / "project", symlinks=True))


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's own pause before it asks again, but shorter."""
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.001)


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    """Yield an endpoint that only chats, until it is given another script."""
    with ChatServer(lambda _: text("let me think")) as server:
        yield server


@dataclass
class Asked:
    """A campaign whose researcher is a model with a script; what it is asked."""

    ledger: Ledger
    chat: ChatServer
    probe: MakeProbe | None = None
    probes_made: tuple[Run, ...] = ()

    def by(
        self, *answers: Answer, limits: Limits | None = None, **changed: object
    ) -> LLMResearcher:
        """Return the researcher, with this `Research`, answered by `answers` in turn."""
        self.chat.script = in_turn(*answers)
        research = replace(Research("scripted", self.chat.url), **changed)  # type: ignore[arg-type]
        meter = Meter(self.ledger.workspace.usage, limits or Limits(), research.prices)
        made = self.probes_made
        around = replace(self.ledger.around, probe=self.probe, probes_made=lambda _: made)
        return LLMResearcher(around, Model(research, KEY), meter)

    def propose(self, *answers: Answer, view: View | None = None, **changed: object) -> Proposal:
        return self.by(*answers, **changed).propose(view or self.ledger.view)  # type: ignore[arg-type]

    @property
    def bodies(self) -> Sequence[Body]:
        return self.chat.bodies

    @property
    def last(self) -> str:
        """Return the last message of the last request."""
        messages = self.bodies[-1]["messages"]
        assert isinstance(messages, list)
        return str(messages[-1]["content"])


@pytest.fixture
def asked(ledger: Ledger, chat: ChatServer) -> Asked:
    return Asked(ledger, chat)
