"""A pool of slots that make up their runs at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from autoresearch_kit.campaign import loop
from autoresearch_kit.campaign.background import CopiesAndNotices
from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.campaign.parts import Parts
from autoresearch_kit.campaign.probing import Probing
from autoresearch_kit.campaign.proposing import Proposing
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.local import LocalPool, new_folder
from autoresearch_kit.execution.pool import Delivery, Lost, Order
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import (
    Experiment,
    Limits,
    Proposal,
    Rule,
    Run,
    SandboxLevel,
    Settings,
    Slot,
)
from autoresearch_kit.researchers import Researcher, Turns, View
from autoresearch_kit.researchers.spending import Meter
from tests.campaign import made_up_runs
from tests.ledger import ledger

CAREFUL = replace(made_up_runs.SETTINGS, rule=Rule.CAREFUL, seeds=3)


def score_of(constants: Mapping[str, object], seed: int) -> float:
    """Return a score that each constant lowers by itself, and a seed by up to 0.001 either way."""
    width, batch = float(str(constants["WIDTH"])), float(str(constants["BATCH"]))
    return 2 - width / 100 - batch / 10 + (seed % 101 - 50) / 50_000


class StubPool:
    """Slots that carry out an order each; `speeds` are in tokens a second, by the slots' names.

    The run that was submitted last is over first, or the first is if `in_order`. `lose` says which
    orders are lost, `unlucky` by how much a run scores worse, `changed` what else differs,
    and `delivered` is called before something is delivered.
    """

    def __init__(
        self,
        runs: Path,
        slots: int = 2,
        lose: Callable[[Order], bool] = lambda _: False,
        delivered: Callable[["StubPool"], object] = lambda _: None,
    ) -> None:
        self.runs, self.lose, self.delivered = runs, lose, delivered
        self.speeds = {f"cpu{at}": 1000 for at in range(slots)}
        self.under_way: list[tuple[Order, Delivery | Lost]] = []
        self.began: list[Order] = []
        self.cancelled: list[str] = []
        self.in_order = False
        self.unlucky: Callable[[Order], float] = lambda _: 0.0
        self.changed: Callable[[Order, Run], Run] = lambda _, run: run

    @property
    def keys(self) -> list[str]:
        return [order.key for order in self.began]

    def slots(self) -> Sequence[Slot]:
        busy = {order.slot: order.key for order, _ in self.under_way}
        return [
            Slot(name, "here", ledger.FINGERPRINT, SandboxLevel.NONE, busy.get(name, ""))
            for name in self.speeds
        ]

    def submit(self, order: Order) -> None:
        assert order.slot in self.speeds
        assert order.slot not in {other.slot for other, _ in self.under_way}
        self.began.append(order)
        if self.lose(order):
            over: Delivery | Lost = Lost(order.key, order.slot, "its node is gone")
        elif order.audits is not None:
            over = replace(order.audits, key=order.key)
        else:
            over = Delivery(order.key, self._run(order), self._folder(order), order.slot)
        self.under_way.append((order, over))

    def wait(self, seconds: float) -> Sequence[Delivery | Lost]:
        self.delivered(self)
        at = 0 if self.in_order else -1
        return [self.under_way.pop(at)[1]] if self.under_way else []

    def cancel(self, key: str) -> None:
        self.cancelled.append(key)
        self.under_way = [each for each in self.under_way if each[0].key != key]

    def close(self) -> None:
        self.under_way.clear()

    def _run(self, order: Order) -> Run:
        constants = TrainNotebook.parse(order.notebook).constants()
        score = ledger.score(score_of(constants, order.seed) + self.unlucky(order))
        speed = self.speeds[order.slot]
        made = replace(ledger.run(), seed=order.seed, score=score, slot=order.slot)
        return self.changed(order, replace(made, tokens=speed, train_seconds=1.0, steps=10))

    def _folder(self, order: Order) -> Path:
        folder = new_folder(self.runs)
        (folder / handover.EXECUTED_FILE).write_text(order.notebook)
        return folder


class Wants(Researcher):
    """Proposes constants by experiment number; after the last, those of the last again."""

    name = "wants"

    def __init__(self, *wanted: Mapping[str, int]) -> None:
        self.wanted = wanted
        self.asked: list[tuple[int, list[int]]] = []

    def propose(self, view: View) -> Proposal:
        self.asked.append((view.number, [each.number for each in view.running]))
        constants = self.wanted[min(view.number, len(self.wanted)) - 1]
        return Proposal(view.number, view.best, self.name, "idea", "", constants=dict(constants))


@contextmanager
def campaign(
    root: Path,
    pool: StubPool,
    researcher: Researcher,
    settings: Settings = made_up_runs.SETTINGS,
    experiments: int = 3,
) -> Iterator[Parts]:
    """Yield the parts of the campaign in `root`, on this pool; probes would be on another."""
    workspace, history = Workspace(root, "night"), History(root, "night")
    workspace.create()
    limits = Limits(experiments=experiments)
    context = made_up_runs.made_up_context(workspace, history, settings)
    here = LocalPool(context.site, context.devices, workspace, workspace.runs)
    heartbeat = Heartbeat(workspace, limits)
    yield Parts(
        context,
        workspace,
        history,
        heartbeat,
        pool,
        Proposing(Turns(researcher), workspace, history),
        Probing(context, workspace, here),
        Meter(workspace.usage, limits, None),
        limits,
        None,
    )


def run(
    root: Path,
    pool: StubPool,
    researcher: Researcher,
    settings: Settings = made_up_runs.SETTINGS,
    experiments: int = 3,
) -> list[Experiment]:
    """Run the campaign; return its experiments in the order in which they were recorded."""
    with campaign(root, pool, researcher, settings, experiments) as parts:
        return list(loop.run(parts, CopiesAndNotices(parts.workspace)))
