"""A campaign in which ideas are decided, on a machine whose runs are made up."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pytest

from autoresearch_kit.campaign import measuring
from autoresearch_kit.campaign.experiment import Decider
from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.campaign.measuring import Measuring
from autoresearch_kit.campaign.orders import Steps, drive
from autoresearch_kit.campaign.outcome import Outcome
from autoresearch_kit.errors import Cancelled
from autoresearch_kit.execution import handover, launch
from autoresearch_kit.execution.local import LocalPool
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import (
    Conditions,
    DatasetInfo,
    Experiment,
    Limits,
    Proposal,
    Reason,
    Rule,
    Run,
    RunSpec,
    Score,
    Settings,
    TaskInfo,
)
from tests.campaign import made_up_runs, tiny
from tests.ledger import ledger
from tests.researchers.llm.conftest import DATASET, MACHINE

T = TypeVar("T")

BASELINE = (1.50, 1.51, 1.49)
BETTER = (1.3, 1.31, 1.29, 1.3, 1.305, 1.295)
AGAIN_BEST = (1.51, 1.5, 1.505, 1.515)


@dataclass
class Machine:
    """Gives the runs of each notebook their scores, by a word in it; None, and a reason, crash."""

    scores: dict[str, Iterator[float | Reason | None]]
    elsewhere: Iterator[float] = field(default_factory=lambda: iter(()))
    steps: dict[str, Iterator[int]] = field(default_factory=dict)
    ran: list[tuple[str, int]] = field(default_factory=list)
    waited: int = 0

    def execute(
        self,
        spec: RunSpec,
        waiting: None,
        *,
        cancelled: Callable[[], bool],
        meanwhile: Callable[[], None],
    ) -> Run:
        if cancelled():
            raise Cancelled("stopped")
        text = spec.notebook.read_text()
        word = next(word for word in self.scores if f"WIDTH = {word} " in text)
        value = next(self.scores[word])
        self.ran.append((word, spec.seed))
        (spec.folder / handover.EXECUTED_FILE).write_text(f"executed {len(self.ran)}")
        steps = next(self.steps.get(word, iter(())), 1000)
        made = replace(ledger.run(steps), seed=spec.seed, conditions=Conditions(self._busy(), 0.1))
        if isinstance(value, Reason):
            return replace(made, failure=value, detail="why")
        if value is None:
            return replace(made, failure=Reason.DIVERGED, detail="loss nan")
        return replace(made, score=score(value))

    def wait(self, *_: object) -> Steps[bool]:
        self.waited += 1
        yield ()
        return True

    def audit(self, spec: RunSpec, run: Run, *, cancelled: Callable[[], bool]) -> Run:
        assert run.score
        return replace(run, audit=score(run.score.value + 0.1))

    def _busy(self) -> float:
        return next(self.elsewhere, 0.0)


def score(value: float) -> Score:
    return Score("val_bpb", value, 1.0, 1, 1, 0.0, 1.0)


@dataclass(frozen=True)
class Place:
    """A campaign, where ideas are decided."""

    project: Path
    machine: Machine
    settings: Settings
    experiments: tuple[Experiment, ...] = ()
    info: DatasetInfo | TaskInfo = DATASET

    def decider(self) -> Decider:
        workspace = Workspace(self.project, "night")
        workspace.create()
        source = tiny.notebook_text()
        context = made_up_runs.context_of(self.settings, MACHINE, self.info, self.project, source)
        measuring = Measuring(context, workspace, Heartbeat(workspace, Limits()))
        return Decider(measuring, History(self.project, "night"), self.experiments)

    def decide(self, proposal: Proposal) -> Outcome:
        decider = self.decider()
        return self.drive(decider, decider.decide(proposal))

    def drive(self, decider: Decider, steps: Steps[T]) -> T:
        context, workspace = decider.measuring.context, decider.measuring.workspace
        with closing(LocalPool(context.site, context.devices, workspace, workspace.runs)) as pool:
            return drive(steps, pool, decider.measuring.heartbeat)


BEGIN = Proposal(0, None, "baseline", "baseline", "")
WIDER = Proposal(1, 0, "optuna", "WIDTH 8 -> 16", "", constants={"WIDTH": 16})


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine({"8": iter(BASELINE)})
    monkeypatch.setattr(launch, "execute", made.execute)
    monkeypatch.setattr(launch, "audit", made.audit)
    monkeypatch.setattr(measuring, "wait_until_quiet", made.wait)
    return made


@pytest.fixture
def place(project: Path, machine: Machine) -> Place:
    return Place(project, machine, replace(ledger.SETTINGS, rule=Rule.CAREFUL, seeds=3))


@pytest.fixture
def begun(place: Place) -> Place:
    """A campaign with its baseline, decided and in git."""
    outcome = place.decide(BEGIN)
    baseline = replace(ledger.experiment(0), runs=runs(outcome), nodes=NODES, noise=outcome.noise)
    History(place.project, "night").append(baseline, tiny.notebook_text(), {})
    Workspace(place.project, "night").under_way.forget(0)
    return replace(place, experiments=(baseline,))


NODES = TrainNotebook.parse(tiny.notebook_text()).nodes()


def runs(outcome: Outcome) -> tuple[Run, ...]:
    return tuple(each.run for each in outcome.counting())


def reruns(outcome: Outcome) -> tuple[Run, ...]:
    return tuple(each.run for each in outcome.best_counting())


def set_aside(outcome: Outcome) -> tuple[Run, ...]:
    return tuple(each.run for each in outcome.set_aside())


def values(runs: Sequence[Run]) -> list[float]:
    return [run.score.value for run in runs if run.score]
