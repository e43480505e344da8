"""Random stories of a campaign on slots that come, go, lose runs and are killed with it."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign import dispatch, loop, measuring, parts
from autoresearch_kit.campaign.background import CopiesAndNotices
from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.campaign.orders import Steps
from autoresearch_kit.errors import Cancelled, KitError
from autoresearch_kit.execution.pool import Delivery, Lost, Order
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import (
    Conditions,
    Experiment,
    Proposal,
    Reason,
    Request,
    Rule,
    Run,
    Settings,
    best_of,
)
from autoresearch_kit.researchers import Researcher, View
from autoresearch_kit.verdicts import retries
from autoresearch_kit.verdicts.runs_by_code import runs_by_code
from tests.campaign import tiny
from tests.campaign.stub_pool import CAREFUL, StubPool, campaign

CAREFUL_OF_OTHERS = replace(CAREFUL, max_elsewhere=0.3)
LIVES, LOOKS = 40, 3000


class Killed(BaseException):
    """The campaign's process is gone, at once."""


class RandomPool(StubPool):
    """Slots whose runs end in any order, if at all; `delivered_runs` came out of it."""

    def __init__(self, root: Path, rng: random.Random, kills: float) -> None:
        self.workspace = Workspace(root, "night")
        super().__init__(self.workspace.runs, rng.randint(1, 6))
        self.rng, self.kills = rng, kills
        self.looks = 0
        self.losses = Counter[str]()
        self.came: list[Delivery] = []
        if rng.random() < 0.3:
            self.speeds[rng.choice(list(self.speeds))] = 500

    def submit(self, order: Order) -> None:
        assert order.key not in {other.key for other, _ in self.under_way}
        if order.slot in self.speeds:
            super().submit(order)
        else:
            self.under_way.append((order, Lost(order.key, order.slot, "its node is gone")))

    def wait(self, seconds: float) -> Sequence[Delivery | Lost]:
        self.looks += 1
        assert self.looks < LOOKS, "the campaign hangs"
        self._meddle()
        self.rng.shuffle(self.under_way)
        count = self.rng.choice([0, 1, 1, 1, 2, 6])
        over, self.under_way = self.under_way[:count], self.under_way[count:]
        return [self._end(order, each) for order, each in over]

    def _meddle(self) -> None:
        chance = self.rng.random
        if chance() < self.kills:
            raise Killed
        if chance() < 0.03 and len(self.speeds) > 1:
            gone = self.rng.choice(list(self.speeds))
            del self.speeds[gone]
            lost = [order for order, _ in self.under_way if order.slot == gone]
            others = [each for each in self.under_way if each[0].slot != gone]
            self.under_way = others + [(o, Lost(o.key, gone, "its node is gone")) for o in lost]
        if chance() < 0.03 and len(self.speeds) < 6:
            self.speeds.setdefault(
                f"cpu{self.rng.randrange(6)}", self.rng.choice([1000] * 4 + [500])
            )
        if chance() < 0.02:
            self.workspace.write_request(self.rng.choice([Request.PAUSE, Request.STOP]))
        elif self.workspace.request() is Request.PAUSE and chance() < 0.5:
            (self.workspace.folder / "request.json").unlink()

    def _end(self, order: Order, over: Delivery | Lost) -> Delivery | Lost:
        """Lose some orders, an order twice at most; the folder of a run comes with it."""
        if isinstance(over, Delivery):
            lost = self.rng.random() < 0.05 and self.losses[order.key] < 2
            if not lost:
                if order.audits is None:
                    over = replace(over, folder=super()._folder(order))
                    self.came.append(over)
                return over
            over = Lost(order.key, order.slot, "its process is gone")
        self.losses[order.key] += 1
        return over

    def _folder(self, order: Order) -> Path:
        return self.runs

    def _run(self, order: Order) -> Run:
        run, luck = super()._run(order), self.rng.random()
        if luck < 0.04:
            return replace(run, score=None, failure=Reason.ERROR, detail="a bug")
        if luck < 0.06 and "again" not in order.words:
            return replace(run, score=None, failure=Reason.KIT_FAILED, detail="the kit's fault")
        if luck < 0.10:
            run = replace(run, steps=run.steps // 2)
        busy = 0.9 if 0.1 < luck < 0.2 else 0.1
        return replace(run, conditions=Conditions(busy, 1.0))


class Anything(Researcher):
    """Proposes any constants, also edits that can't be made; carries over and repairs at times."""

    name = "anything"

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.slow = rng.random() < 0.5

    def propose(self, view: View) -> Proposal:
        made = Proposal(view.number, view.best, self.name, "idea", "", constants=self._constants())
        return replace(made, failure="no such cell") if self.rng.random() < 0.05 else made

    def repair(self, view: View, crashed: Proposal) -> Proposal | None:
        return replace(crashed, constants=self._constants()) if self.rng.random() < 0.5 else None

    def carry_over(self, view: View, prepared: Proposal) -> Proposal | None:
        made = replace(prepared, parent=view.best, constants=self._constants(), edits=())
        return made if self.rng.random() < 0.5 else None

    def _constants(self) -> dict[str, int]:
        every = {"WIDTH": self.rng.randint(4, 64), "BATCH": self.rng.randint(1, 16)}
        return {name: every[name] for name in self.rng.choice([["WIDTH"], ["BATCH"], [*every]])}


def wait_until_quiet(heartbeat: Heartbeat, *_: object) -> Steps[bool]:
    """Waits for a few looks; nothing else is looked at."""
    for _look in range(3):
        heartbeat.obey()
        yield ()
    return True


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(measuring, "wait_until_quiet", wait_until_quiet)


def live(
    root: Path,
    rng: random.Random,
    ideas: int,
    came: list[Delivery],
    kills: float,
    settings: Settings,
) -> str:
    """Let the campaign go on in a process of its own; return how it ended."""
    workspace, history = Workspace(root, "night"), History(root, "night")
    workspace.create()
    history.repair()
    parts._clear_leftovers(history, workspace)
    (workspace.folder / "request.json").unlink(missing_ok=True)
    pool = RandomPool(root, rng, kills)
    try:
        with campaign(root, pool, Anything(rng), settings, ideas) as opened:
            try:
                steps = loop.run(opened, CopiesAndNotices(workspace))
                while True:
                    next(steps)
            except StopIteration as ended:
                return str(ended.value)
            finally:
                opened.proposing.close()
    except Killed:
        return "killed"
    except Cancelled:
        return "stopped"
    except KitError as error:
        return f"error: {error}"
    finally:
        came += [each for each in pool.came if each.key not in pool.cancelled]


def live_to_the_end(root: Path, seed: int, ideas: int = 8) -> None:
    """Run a campaign to its end, over as many processes as it takes, and check what it left."""
    rng = random.Random(seed)
    came, ends = list[Delivery](), list[str]()
    kills = rng.choice([0.0, 0.02, 0.1])
    settings = replace(CAREFUL_OF_OTHERS, rule=rng.choice(list(Rule)))
    for life in range(LIVES):
        ends.append(live(root, rng, ideas, came, kills if life < LIVES // 2 else 0.0, settings))
        check_numbers(root)
        if ends[-1] == "done":
            break
    assert ends[-1] == "done", ends
    check(root, ideas, came, ends)


def check_numbers(root: Path) -> None:
    """Each number is recorded, or still pending."""
    workspace = Workspace(root, "night")
    recorded = [each.number for each in History(root, "night").experiments()]
    pending = [each.number for each in workspace.under_way.pending()]
    known = sorted({*recorded, *pending})
    assert known == list(range(len(known))), (recorded, pending)
    assert len(set(recorded)) == len(recorded)


def runs_of(each: Experiment) -> Iterator[Run]:
    yield from (*each.runs, *each.reruns, *each.set_aside)
    yield from (attempt.run for attempt in each.proposal.attempts)
    for passed in each.passed:
        yield from (*passed.runs, *passed.reruns, *passed.set_aside)


def check(root: Path, ideas: int, came: Sequence[Delivery], ends: Sequence[str]) -> None:
    workspace, history = Workspace(root, "night"), History(root, "night")
    experiments = history.experiments()
    assert retries.ideas(each.proposal for each in experiments) == ideas + 1
    assert workspace.under_way.numbers() == set(), workspace.under_way.numbers()
    assert list(workspace.runs.iterdir()) == []
    best = best_of(experiments)
    assert best is not None
    entries = {each.experiment.number: each for each in history.entries()}
    head = tiny.git(root, "rev-parse", "autoresearch/night").strip()
    assert head == entries[best.number].code_commit
    check_keeps(experiments)
    check_runs(experiments, came, ends)


def check_keeps(experiments: Sequence[Experiment]) -> None:
    """Each keep but the baseline replaced another, and no two the same."""
    keeps = [each for each in experiments if each.kept]
    replaced = [each.against for each in keeps if each.number]
    assert len(set(replaced)) == len(replaced)
    assert set(replaced) < {each.number for each in keeps} or not replaced
    for each in keeps[1:]:
        assert each.proposal.parent == each.against


def check_runs(
    experiments: Sequence[Experiment], came: Sequence[Delivery], ends: Sequence[str]
) -> None:
    recorded = Counter(run for each in experiments for run in map(name, runs_of(each)))
    made = Counter(name(each.run) for each in came)
    assert recorded.keys() <= made.keys()
    shared = runs_by_code(experiments)
    for number, runs in shared.items():
        names = [(run.seed, run.score and run.score.value) for run in runs]
        assert len(set(names)) == len(names), (number, names)
    if len(ends) == 1:  # what was delivered to nobody as the campaign was killed is made again
        lost = [each for each in came if name(each.run) not in recorded]
        lost = [each for each in lost if each.run.failure is not Reason.KIT_FAILED]
        lost = [each for each in lost if "check" not in each.key]
        assert not lost, [each.key for each in lost]


def name(run: Run) -> tuple[object, ...]:
    return run.seed, run.slot, run.score and run.score.value, run.steps, run.conditions


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost_or_counted_twice_in_any_story(project: Path, seed: int) -> None:
    live_to_the_end(project, seed, ideas=5)
