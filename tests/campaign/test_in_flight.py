"""Several experiments in flight, on a pool of two devices: the last run submitted ends first."""

from collections.abc import Iterator, Sequence
from concurrent.futures import wait
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign import loop
from autoresearch_kit.campaign.errands import ErrandRunner
from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.campaign.orders import order
from autoresearch_kit.campaign.parts import Parts
from autoresearch_kit.campaign.probing import Probing
from autoresearch_kit.campaign.proposing import Proposing
from autoresearch_kit.errors import Cancelled, ExecutionError
from autoresearch_kit.execution import handover, launch
from autoresearch_kit.execution.local import LocalPool, new_folder
from autoresearch_kit.execution.pool import Delivery, Order
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Limits, Proposal, Run, SandboxLevel, Slot, Verdict, best_of
from autoresearch_kit.researchers import Researcher, Turns, View
from autoresearch_kit.researchers.spending import Meter
from tests.campaign import quick, tiny
from tests.ledger import ledger

WIDTHS = {1: 64, 2: 16, 3: 9}
"""Widths that the researcher proposes, by experiment number; a wider model scores lower."""


class TwoDevices:
    """A pool of two devices; of the runs under way the one submitted last is over first."""

    def __init__(self, runs: Path, stop_at: tuple[int, ...] = ()) -> None:
        self.runs, self.stop_at = runs, stop_at
        self.under_way: list[Delivery] = []
        self.began: list[int] = []

    def slots(self) -> Sequence[Slot]:
        busy = [each.key for each in self.under_way] + ["", ""]
        return [
            Slot(f"cpu{at}", "here", ledger.FINGERPRINT, SandboxLevel.NONE, busy[at])
            for at in range(2)
        ]

    def submit(self, order: Order) -> None:
        if order.audits is not None:
            self.under_way.append(replace(order.audits, key=order.key))
            return
        folder = new_folder(self.runs)
        (folder / handover.EXECUTED_FILE).write_text(order.notebook)
        width = TrainNotebook.parse(order.notebook).constants()["WIDTH"]
        run = replace(ledger.run(), seed=order.seed, score=ledger.score(2 - float(width) / 100))
        self.under_way.append(Delivery(order.key, run, folder, "cpu0"))
        self.began.append(int(order.key[:4]))

    def wait(self, seconds: float) -> Sequence[Delivery]:
        if tuple(int(each.key[:4]) for each in self.under_way) == self.stop_at:
            raise Cancelled("stopped")
        return [self.under_way.pop()]

    def cancel(self, key: str) -> None:
        self.under_way = [each for each in self.under_way if each.key != key]

    def close(self) -> None:
        self.under_way.clear()


class Widens(Researcher):
    name = "widens"

    def __init__(self) -> None:
        self.asked: list[tuple[int, list[int]]] = []

    def propose(self, view: View) -> Proposal:
        self.asked.append((view.number, [each.number for each in view.running]))
        width = WIDTHS[view.number]
        return Proposal(
            view.number, view.best, self.name, f"{width}", "", constants={"WIDTH": width}
        )


@contextmanager
def campaign(root: Path, pool: TwoDevices, researcher: Researcher) -> Iterator[Parts]:
    """The parts of the campaign in `root`, on this pool; probes, which nobody makes, on another."""
    workspace, history = Workspace(root, "night"), History(root, "night")
    workspace.create()
    limits = Limits(experiments=3)
    context = quick.made_up_context(workspace, history, quick.SETTINGS)
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


def test_experiments_finish_in_any_order_under_their_numbers(project: Path) -> None:
    workspace, history, researcher = (
        Workspace(project, "night"),
        History(project, "night"),
        Widens(),
    )
    pool = TwoDevices(workspace.runs)
    with campaign(project, pool, researcher) as parts:
        tried = list(loop.run(parts, ErrandRunner(workspace)))
    assert [each.number for each in tried] == [0, 2, 3, 1]
    assert history.experiments() == sorted(tried, key=lambda each: each.number)
    assert researcher.asked == [(1, []), (2, [1]), (3, [1])]
    assert (workspace.under_way(), list(workspace.runs.iterdir())) == (set(), [])


def test_a_keep_beats_the_best_when_it_is_recorded(project: Path) -> None:
    """Experiment 1 runs beside 2, which is kept first; the branch is at the keep that came last."""
    workspace, history = Workspace(project, "night"), History(project, "night")
    with campaign(project, TwoDevices(workspace.runs), Widens()) as parts:
        list(loop.run(parts, ErrandRunner(workspace)))
    experiments = history.experiments()
    assert [each.verdict for each in experiments[1:]] == [
        Verdict.KEEP,
        Verdict.KEEP,
        Verdict.DISCARD,
    ]
    assert [each.against for each in experiments] == [None, 2, 0, 2]
    best = best_of(experiments)
    assert best is not None
    assert best.number == 1
    head = tiny.git(project, "rev-parse", "autoresearch/night").strip()
    assert head == history.entries()[1].code_commit


def test_a_resumed_campaign_begins_all_pending_ones_in_order(project: Path) -> None:
    workspace = Workspace(project, "night")
    stopped = campaign(project, TwoDevices(workspace.runs, stop_at=(1, 2)), Widens())
    with stopped as parts, pytest.raises(Cancelled):
        list(loop.run(parts, ErrandRunner(workspace)))
    assert [each.number for each in workspace.pending()] == [1, 2]
    pool, researcher = TwoDevices(workspace.runs), Widens()
    with campaign(project, pool, researcher) as parts:
        tried = list(loop.run(parts, ErrandRunner(workspace)))
    assert pool.began[:2] == [1, 2]
    assert [number for number, _ in researcher.asked] == [3]
    assert [each.number for each in tried] == [2, 3, 1]


def test_a_run_that_is_over_is_delivered_before_another_raises(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = iter([ledger.run(), None])

    def execute(*_: object, **__: object) -> Run:
        if (run := next(ends)) is None:
            raise ExecutionError("a process can't be killed")
        return run

    monkeypatch.setattr(launch, "execute", execute)
    workspace, history = Workspace(project, "night"), History(project, "night")
    workspace.create()
    context = quick.made_up_context(workspace, history, quick.SETTINGS)
    with closing(LocalPool(context.site, context.devices, workspace, workspace.runs)) as pool:
        for key in ("0001", "0002"):
            pool.submit(order(context, key, context.baseline, 1))
        wait([submitted.done for submitted in pool._submitted.values()])
        assert [each.key for each in pool.wait(60)] == ["0001"]
        with pytest.raises(ExecutionError):
            pool.wait(60)
