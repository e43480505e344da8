"""Orders of a cluster's pool: which wait, which slot carries out which, and what is over."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_kit.errors import FingerprintError
from autoresearch_kit.execution.local import new_folder, remove_run
from autoresearch_kit.execution.pool import Delivery, Lost, Order
from autoresearch_kit.execution.ray.messages import (
    Cancel,
    Delivered,
    Message,
    OrderCancelled,
    OrderFailed,
    Report,
    RunOrder,
)
from autoresearch_kit.records import Fingerprint, SandboxLevel, Slot, strongest
from autoresearch_kit.verdicts.comparable import check_comparable

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SlotRequirements:
    """Require of every slot what a campaign's earlier experiments had."""

    fingerprint: Fingerprint
    sandbox: SandboxLevel


def most_common_class(reports: Sequence[Report]) -> SlotRequirements:
    """Return the class of most of the slots, with the strongest sandbox among them."""
    chosen = Counter(each.fingerprint for each in reports).most_common(1)[0][0]
    levels = [each.sandbox for each in reports if each.fingerprint == chosen]
    return SlotRequirements(chosen, strongest(levels) or SandboxLevel.NONE)


def why_not_of(report: Report, wanted: SlotRequirements | None) -> str:
    """Return in one line why a slot is not of the campaign's class; empty if it is."""
    if wanted is None:
        return ""
    try:
        check_comparable(wanted.fingerprint, report.fingerprint)
    except FingerprintError as error:
        return str(error).removeprefix("scores can't be compared: ").split(". For this")[0]
    if strongest([report.sandbox, wanted.sandbox]) is not report.sandbox:
        return f"it has no {wanted.sandbox}, which the campaign's runs have"
    return ""


@dataclass
class KnownSlot:
    """A device that the bridge told of, and the order that it carries out, if any."""

    slot: Slot
    report: Report | None = None
    given: RunOrder | None = None


class Assignments:
    """Gives orders to the slots in `known`, by name; an order is delivered once at most.

    Deliveries lie in `runs`; `over` are those that nobody has taken yet. `tell` sends a message to
    the bridge.
    """

    def __init__(self, runs: Path, tell: Callable[[Message], None]) -> None:
        self.known: dict[str, KnownSlot] = {}
        self.over: list[Delivery | Lost] = []
        self._runs = runs
        self._tell = tell
        self._queue: list[Order] = []

    def add(self, order: Order) -> None:
        """Queue an order, once. An audit goes to the slot that has the model."""
        given = [known.given.order for known in self.known.values() if known.given]
        if any(each.key == order.key for each in (*given, *self._queue, *self.over)):
            return
        if order.audits is not None:
            order = replace(order, slot=order.audits.slot)
        self._queue.append(order)

    def hand_out(self) -> None:
        """Give the orders in the queue to the slots that are free, in their turn."""
        left = list[Order]()
        for order in self._queue:
            free = [each for each in self.known.values() if each.slot.free]
            if order.slot:
                if self._settle_bound(order):
                    continue
                free = [each for each in free if each.slot.name == order.slot]
            if free:
                self._give(order, min(free, key=lambda each: each.slot.name))
            else:
                left.append(order)
        self._queue = left

    def _settle_bound(self, order: Order) -> bool:
        """Settle an order for one slot only, if that is not there: no other may have it."""
        known = self.known.get(order.slot)
        if known is not None and not known.slot.left_out:
            return False
        if order.audits is not None:
            self.over.append(replace(order.audits, key=order.key))
        else:
            why = known.slot.left_out if known else "it is not there any more"
            self.over.append(Lost(order.key, order.slot, why))
        return True

    def _give(self, order: Order, known: KnownSlot) -> None:
        folder = order.audits.folder if order.audits else new_folder(self._runs)
        known.given = RunOrder(known.slot.name, order, folder.name)
        known.slot = replace(known.slot, busy=order.key)
        self._tell(known.given)

    def cancel(self, key: str) -> None:
        """Kill a run, or take it out of the queue; it is not delivered."""
        self._queue = [order for order in self._queue if order.key != key]
        self.over = [each for each in self.over if each.key != key]
        for name, known in self.known.items():
            if known.given and known.given.order.key == key:
                self._tell(Cancel(name, key))
                self._drop(known.given)
                known.given = None  # busy until it has stopped

    def clear(self) -> None:
        """Forget all orders and slots, and remove the folders of runs that are under way."""
        for known in self.known.values():
            if known.given is not None:
                self._drop(known.given)
        self.known, self._queue, self.over = {}, [], []

    def lose(self, name: str, why: str) -> None:
        """Lose the order that a slot carries out, if any: the slot is gone."""
        known = self.known.get(name)
        if known is None or known.given is None:
            return
        given, known.given = known.given, None
        known.slot = replace(known.slot, busy="")
        logger.warning("run %s is lost: slot %s: %s", given.order.key, name, why)
        if given.order.audits is not None:
            self.over.append(replace(given.order.audits, key=given.order.key))
            return
        self._drop(given)
        self.over.append(Lost(given.order.key, name, why))

    def deliver(self, message: Delivered) -> None:
        """Deliver what a slot was given; anything else comes too late, or twice."""
        known = self.known.get(message.slot)
        given = known.given if known else None
        if known is None or given is None or given.order.key != message.key:
            logger.warning("run %s came from %s too late, or twice", message.key, message.slot)
            return
        known.given, known.slot = None, replace(known.slot, busy="")
        folder = self._runs / given.folder
        self.over.append(Delivery(message.key, message.run, folder, message.slot))

    def fail(self, message: OrderFailed) -> None:
        """Lose what a slot was given, and leave the slot out: it can't carry out anything."""
        known = self.known.get(message.slot)
        if known and known.given and known.given.order.key == message.key:
            self.lose(message.slot, message.why)
            known.slot = replace(known.slot, left_out=message.why)

    def stopped(self, message: OrderCancelled) -> None:
        """Let a slot be free again, whose run was cancelled and has stopped."""
        known = self.known.get(message.slot)
        if known and known.slot.busy == message.key:
            known.given, known.slot = None, replace(known.slot, busy="")

    def _drop(self, given: RunOrder) -> None:
        """Remove the folder of a run that is not delivered."""
        if given.order.audits is None:
            remove_run(self._runs / given.folder)
