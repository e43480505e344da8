"""Carries out what several works want, on as many slots as there are.

A work is given its deliveries, whatever slot they come from. Orders wait for a free slot in the
order in which they were asked for. The same order for two works is carried out once.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.campaign.orders import MOST_LOST, POLL_SECONDS, Steps
from autoresearch_kit.campaign.outcome import Outcome
from autoresearch_kit.campaign.slots import Slots
from autoresearch_kit.errors import Cancelled
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.local import new_folder
from autoresearch_kit.execution.pool import Delivery, Lost, Order, Pool
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.records import SandboxLevel, failed_by_kit

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Work:
    """An experiment under way, or the check of a slot, for which `number` is the best's.

    `slot` names the slot that is checked. `keys` are its orders that are not yet delivered.
    `result` is there once an experiment's steps are over.
    """

    number: int
    idea: str
    steps: Steps[Outcome] | Steps[None]
    slot: str = ""
    keys: set[str] = field(default_factory=set)
    result: Outcome | None = None


class Dispatch:
    """Gives the orders of works to free slots, and the deliveries to the works."""

    def __init__(self, pool: Pool, slots: Slots, heartbeat: Heartbeat, runs: Path) -> None:
        self._pool = pool
        self._runs = runs
        self._slots = slots
        self._heartbeat = heartbeat
        self._waiting: list[Order] = []
        self._submitted: dict[str, tuple[Order, str]] = {}
        self._lost = Counter[str]()
        self.works: list[Work] = []
        self.spared: set[str] = set()
        """The folder of a run that another work is still to be given, by name."""

    @property
    def waiting(self) -> bool:
        """Return whether an order waits for a slot."""
        return bool(self._waiting)

    def start(self, work: Work) -> Iterator[Work]:
        """Begin a piece of work; yield it if it ends at once."""
        self.works.append(work)
        yield from self._resume(work, None)

    def advance(self) -> Iterator[Work]:
        """Wait a moment for deliveries, and continue the work that they are for; yield what ended.

        Each is yielded before any other goes on: what is decided next has to know of it.

        Raises:
            Cancelled: a person asked to stop at once, or while the only work waits for something.
        """
        over = self._pool.wait(POLL_SECONDS if self._submitted else 0.0)
        if not self._submitted:  # the works wait for something else, or there are none
            time.sleep(POLL_SECONDS)
        for each in [*over, *self._orphans()]:
            if each.key not in self._submitted:  # cancelled as it came
                if isinstance(each, Delivery):
                    remove_tree(each.folder)
                continue
            order, slot = self._submitted.pop(each.key)
            delivery = self._accept(each, order, slot)
            if delivery is not None:
                yield from self._deliver(delivery)
        if self._heartbeat.cancelled():  # what was over is written down
            raise Cancelled("stopped at once")
        if not over:
            for work in list(self.works):
                yield from self._resume(work, None)
        self._slots.look()
        self._submit_waiting()
        self._heartbeat.slots(self._slots.uses())

    def _accept(self, over: Delivery | Lost, order: Order, slot: str) -> Delivery | None:
        """Return the delivery of an order that is over; None if the order is repeated."""
        if isinstance(over, Delivery):
            self._slots.end(slot, over.key, over.run if order.audits is None else None)
            return over
        self._slots.end(slot, over.key)
        self._lost[over.key] += 1
        logger.warning("run %s is lost: %s", over.key, over.why)
        if order.audits is not None:  # nothing depends on an audit
            return replace(order.audits, key=order.key)
        if order.slot:  # the slot that was to be checked is gone
            for work in [each for each in self.works if over.key in each.keys]:
                self._drop(work)
            return None
        if self._lost[over.key] == MOST_LOST:
            return self._failed(order, over)
        self._waiting.insert(0, order)
        return None

    def _failed(self, order: Order, lost: Lost) -> Delivery:
        """Return an order as a run that the kit failed, in a folder as every run has."""
        folder = new_folder(self._runs, "lost")
        write_atomic(folder / handover.EXECUTED_FILE, order.notebook.encode())
        detail = f"its slot was lost {MOST_LOST} times, the last time {lost.slot}: {lost.why}"
        run = failed_by_kit(order.seed, detail, SandboxLevel.NONE, slot=lost.slot)
        return Delivery(order.key, run, folder, lost.slot)

    def _deliver(self, delivery: Delivery) -> Iterator[Work]:
        works = [each for each in self.works if delivery.key in each.keys]
        for at, work in enumerate(works, start=1):
            self.spared = {delivery.folder.name} if at < len(works) else set()
            yield from self._resume(work, delivery)

    def _resume(self, work: Work, delivery: Delivery | None) -> Iterator[Work]:
        """Continue a piece of work until its next order; yield it if it ended.

        One that waited for something, and that a person stopped, is over without a result.
        """
        if delivery is not None:
            work.keys.discard(delivery.key)
        try:
            wanted = work.steps.send(delivery)
        except StopIteration as ended:
            work.result = ended.value
            self._drop(work)
            yield work
        except Cancelled:
            self._drop(work)
            if not self.works:
                raise
            yield work
        else:
            self._order(work, wanted)

    def _order(self, work: Work, wanted: Sequence[Order]) -> None:
        known = {*self._submitted, *(order.key for order in self._waiting)}
        self._waiting += [order for order in wanted if order.key not in known]
        work.keys |= {order.key for order in wanted}
        self._submit_waiting()

    def _submit_waiting(self) -> None:
        """Submit orders to free slots; an order for one certain slot waits for that slot."""
        waiting, self._waiting = self._waiting, []
        for order in waiting:
            free = self._slots.free() if not order.slot else [order.slot]
            if free and self._slots.is_free(free[0]):
                self._submit(order, free[0])
            else:
                self._waiting.append(order)

    def _submit(self, order: Order, slot: str) -> None:
        self._pool.submit(replace(order, slot=slot))
        self._submitted[order.key] = order, slot
        whose = next(work for work in self.works if order.key in work.keys)
        self._slots.begin(slot, order, whose.number, whose.idea)
        self._slots.look()
        # not an audit, nor the check of a slot; and a slot that is gone will lose its order
        if not order.slot and slot in self._slots.names:
            self._heartbeat.began(self._slots.use(slot), self._slots.uses())

    def _orphans(self) -> Iterator[Lost]:
        """Yield the orders that wait for a lost slot: they are lost, too."""
        for order in [each for each in self._waiting if each.slot]:
            if order.slot not in self._slots.names:
                self._waiting.remove(order)
                self._submitted[order.key] = order, order.slot
                yield Lost(order.key, order.slot, "its slot is gone")

    def _drop(self, work: Work) -> None:
        """Forget a work, and cancel what nobody else waits for."""
        self.works.remove(work)
        others = {key for other in self.works for key in other.keys}
        given_up = work.keys - others
        self._waiting = [order for order in self._waiting if order.key not in given_up]
        for key in sorted(given_up & self._submitted.keys()):
            self._pool.cancel(key)
            self._slots.end(self._submitted.pop(key)[1], key)
