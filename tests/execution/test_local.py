"""Carry out orders on several devices at once; the runs themselves are stubs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from autoresearch_kit.errors import Cancelled, ExecutionError
from autoresearch_kit.execution import launch
from autoresearch_kit.execution.devices import Device
from autoresearch_kit.execution.local import TAKEN, LocalPool, Site
from autoresearch_kit.execution.pool import DataRef, Delivery, Order
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.machine import device_locks
from autoresearch_kit.records import Clock, Run, RunSpec, SandboxLevel, VisibleFiles
from tests.campaign import made_up_runs
from tests.ledger import ledger

DATA = DataRef("tiny", "0")
PATIENCE = 60.0


class Runs:
    """Stubs of runs: each begins, and goes on until it is let go."""

    def __init__(self) -> None:
        self.begun: dict[str, RunSpec] = {}
        self.let_go = set[str]()
        self._changed = threading.Condition()

    def execute(
        self, spec: RunSpec, *_: object, cancelled: Callable[[], bool], **__: object
    ) -> Run:
        notebook = spec.notebook.read_text()
        with self._changed:
            self.begun[notebook] = spec
            self._changed.notify_all()
            while notebook not in self.let_go:
                self._changed.wait(0.05)
                if cancelled():
                    raise Cancelled("stopped")
        return ledger.run()

    def await_begun(self, *keys: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: {*keys} <= self.begun.keys(), PATIENCE)

    def end(self, *keys: str) -> None:
        with self._changed:
            self.let_go.update(keys)
            self._changed.notify_all()


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    made = Runs()
    monkeypatch.setattr(launch, "execute", made.execute)
    monkeypatch.setattr(
        launch, "audit", lambda spec, run, **_: made.begun.update(audit=spec) or run
    )
    return made


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalPool]:
    monkeypatch.setattr(device_locks, "FOLDER", tmp_path / "devices")
    workspace = Workspace(tmp_path, "night")
    workspace.create()
    site = Site(tmp_path, DATA, "kit", SandboxLevel.NONE, VisibleFiles())
    devices = [
        Device(f"cpu{at}", made_up_runs.MACHINE, ledger.FINGERPRINT, (at,)) for at in range(2)
    ]
    with closing(LocalPool(site, devices, workspace, workspace.runs)) as pool:
        yield pool


def order(key: str, slot: str = "", audits: Delivery | None = None) -> Order:
    clock = Clock.WALL
    return Order(key, key, 0, DATA, "kit", clock, 1, 60, 0, 1000, slot=slot, audits=audits)


def deliveries(pool: LocalPool) -> list[tuple[str, str]]:
    over = pool.wait(PATIENCE)
    return [(each.key, each.slot) for each in over if isinstance(each, Delivery)]


def test_orders_begin_on_any_free_device_in_order(pool: LocalPool, runs: Runs) -> None:
    for key in "abcd":
        pool.submit(order(key))
    runs.await_begun("a", "b")
    assert [slot.busy for slot in pool.slots()] == ["a", "b"]
    runs.end("b")
    assert deliveries(pool) == [("b", "cpu1")]
    runs.await_begun("c")
    assert [slot.busy for slot in pool.slots()] == ["a", "c"]
    assert "d" not in runs.begun


def test_each_device_has_its_own_cores_and_compile_cache(pool: LocalPool, runs: Runs) -> None:
    for key in "ab":
        pool.submit(order(key))
    runs.await_begun("a", "b")
    specs = [runs.begun[key] for key in "ab"]
    assert [spec.cores for spec in specs] == [(0,), (1,)]
    assert [spec.compile_cache.name for spec in specs] == ["cpu0", "cpu1"]
    assert len({spec.run_id for spec in specs}) == 2


def test_an_audit_goes_where_the_model_was_trained(pool: LocalPool, runs: Runs) -> None:
    pool.submit(order("a", slot="cpu1"))
    runs.end("a")
    (trained,) = pool.wait(PATIENCE)
    assert isinstance(trained, Delivery)
    pool.submit(order("a-audit", audits=trained))
    assert deliveries(pool) == [("a-audit", "cpu1")]
    assert runs.begun["audit"].folder == trained.folder


def test_an_order_for_a_missing_device_is_refused(pool: LocalPool) -> None:
    with pytest.raises(ExecutionError, match="is to run on gpu0; there are cpu0, cpu1"):
        pool.submit(order("a", slot="gpu0"))


def test_the_same_key_twice_is_one_run(pool: LocalPool, runs: Runs) -> None:
    for _ in range(2):
        pool.submit(order("a"))
    runs.await_begun("a")
    assert [slot.busy for slot in pool.slots()] == ["a", ""]


def test_a_cancelled_run_leaves_nothing_and_may_come_again(pool: LocalPool, runs: Runs) -> None:
    for key in "ab":
        pool.submit(order(key))
    runs.await_begun("a", "b")
    folder = runs.begun["a"].folder
    pool.cancel("a")
    pool.submit(order("a"))
    assert pool.wait(PATIENCE) == []
    assert not folder.exists()
    runs.end("a")
    assert deliveries(pool) == [("a", "cpu0")]


def test_a_cancelled_order_in_the_queue_never_begins(pool: LocalPool, runs: Runs) -> None:
    for key in "abc":
        pool.submit(order(key))
    pool.cancel("c")
    assert pool.wait(PATIENCE) == []
    runs.end("a", "b")
    over = deliveries(pool)
    while len(over) < 2:
        over += deliveries(pool)
    assert "c" not in runs.begun


def test_a_slot_says_that_another_campaign_has_its_device(pool: LocalPool, runs: Runs) -> None:
    with device_locks.held(["core-0"], lambda: None):
        pool.submit(order("a", slot="cpu0"))
        while not (waiting := pool.slots()[0].waiting):
            pool.wait(0.05)
        assert (waiting, runs.begun) == (TAKEN, {})
    runs.end("a")
    assert deliveries(pool) == [("a", "cpu0")]
    assert pool.slots()[0].waiting == ""
