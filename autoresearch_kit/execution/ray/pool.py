"""The pool of a Ray cluster, in the campaign's process, which never imports Ray.

It decides everything: which devices are of the campaign's class, who carries out what, and that an
order is delivered once at most. The bridge only knows the cluster; when it dies, all that was
carried out is lost, and it is started again.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from autoresearch_kit.errors import ExecutionError, FingerprintError, in_words
from autoresearch_kit.execution.local import new_folder
from autoresearch_kit.execution.pool import Delivery, Lost, Order
from autoresearch_kit.execution.ray.link import Link
from autoresearch_kit.execution.ray.messages import (
    BridgeBroken,
    Cancel,
    Connect,
    Delivered,
    DevicesKnown,
    Message,
    OrderCancelled,
    OrderFailed,
    Report,
    RunOrder,
    SlotGone,
    SlotUnusable,
    SlotUp,
)
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.records import Fingerprint, SandboxLevel, Slot
from autoresearch_kit.records.runs import strongest
from autoresearch_kit.verdicts.comparable import check_comparable

logger = logging.getLogger(__name__)

UNKNOWN = Fingerprint("", "", "", "", "", "")
"""The fingerprint of a device that was never looked at."""

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Timeouts:
    """The seconds that a pool waits: for devices when it has none, and before each new bridge in
    a row; for devices that are still coming, before it chooses a class without them.
    """

    devices: float = 1800.0
    bridges: tuple[float, ...] = (1, 2, 4, 8, 16, 32, 60, 60, 60, 60)
    coming: float = 180.0


USUAL_TIMEOUTS = Timeouts()


@dataclass(frozen=True)
class SlotRequirements:
    """Require of every slot what a campaign's earlier experiments had."""

    fingerprint: Fingerprint
    sandbox: SandboxLevel


@dataclass
class _KnownSlot:
    """A device that the bridge told of, and the order that it carries out, if any."""

    slot: Slot
    report: Report | None = None
    given: RunOrder | None = None


@dataclass
class _State:
    """Hold what the pool knows: devices by name, orders in the queue, and what is over."""

    known: dict[str, _KnownSlot] = field(default_factory=dict)
    queue: list[Order] = field(default_factory=list)
    over: list[Delivery | Lost] = field(default_factory=list)


class RayPool:
    """Carries out runs on the devices of a Ray cluster; deliveries lie in `connect.runs`.

    `log` takes what Ray prints. With `wanted`, slots that differ are left out; without, the class
    is that of most of the slots that come up first, see `choose`.
    """

    def __init__(
        self,
        connect: Connect,
        log: Path,
        wanted: SlotRequirements | None = None,
        timeouts: Timeouts = USUAL_TIMEOUTS,
        argv: Sequence[str] = (),
    ) -> None:
        self._connect = connect
        self._log = log
        self._argv = argv
        self._wanted = wanted
        self._timeouts = timeouts
        self._state = _State()
        self._deaths = 0
        self._why_dead = ""
        self._coming = True
        self._came_up = False
        self._start_at = 0.0
        self._alone_since = time.monotonic()
        self._link: Link | None = Link(connect, log, argv)

    def choose(self, cancelled: Callable[[], bool] = lambda: False) -> Report:
        """Wait for slots, and return the report of one of the campaign's class.

        Raises:
            ExecutionError: there is none, after `Timeouts.devices`.
        """
        settled = time.monotonic() + self._timeouts.coming
        while not cancelled():
            self._hear(POLL_SECONDS)
            reports = [each.report for each in self._state.known.values() if each.report]
            if self._wanted is None and reports:
                if not self._coming or time.monotonic() > settled:
                    self._wanted = _most(reports)
                    self._leave_out()
                continue
            chosen = [each for each in self._state.known.values() if not each.slot.left_out]
            if self._wanted and (ready := next((c.report for c in chosen if c.report), None)):
                return ready
            self._check_for_slots()
        raise ExecutionError("stopped before a device of the cluster was ready")

    def slots(self) -> Sequence[Slot]:
        """Return the slots, as `Pool.slots` says; those left out are among them."""
        known = self._state.known
        return [known[name].slot for name in sorted(known)]

    def submit(self, order: Order) -> None:
        """Begin a run, or queue it, as `Pool.submit` says."""
        if self._holds(order.key):
            return
        node = self._connect.node
        if order.dataset != node.data:
            raise ExecutionError(
                f"run {order.key} needs data set {order.dataset}; the cluster gets {node.data}"
            )
        if order.audits is not None:
            order = replace(order, slot=order.audits.slot)
        self._state.queue.append(order)
        self._hand_out()

    def wait(self, seconds: float) -> Sequence[Delivery | Lost]:
        """Return what is over, as `Pool.wait` says.

        Raises:
            ExecutionError: there are no devices, or no bridge, in spite of all timeouts. The
                campaign can be resumed.
        """
        if not self._state.over:
            self._hear(seconds)
            self._hand_out()
            self._check_for_slots()
        over, self._state.over = self._state.over, []
        return over

    def cancel(self, key: str) -> None:
        """Kill a run, or take it out of the queue; it is not delivered."""
        state = self._state
        state.queue = [order for order in state.queue if order.key != key]
        state.over = [each for each in state.over if each.key != key]
        for name, known in state.known.items():
            if known.given and known.given.order.key == key and self._link:
                self._link.send(Cancel(name, key))
                self._drop(known.given)
                known.given = None  # busy until it has stopped

    def close(self) -> None:
        """Kill whatever is under way, and wait until nothing of it is left."""
        if self._link is not None:
            self._link.end()
            self._link = None
        for known in self._state.known.values():
            if known.given is not None:
                self._drop(known.given)
        self._state = _State()

    def _holds(self, key: str) -> bool:
        given = [known.given.order for known in self._state.known.values() if known.given]
        return any(each.key == key for each in (*given, *self._state.queue, *self._state.over))

    def _hand_out(self) -> None:
        """Give the orders in the queue to the slots that are free, in their turn."""
        left = list[Order]()
        for order in self._state.queue:
            free = [each for each in self._state.known.values() if each.slot.free]
            if order.slot:
                if self._settle_bound(order):
                    continue
                free = [each for each in free if each.slot.name == order.slot]
            if free and self._link is not None:
                self._give(order, min(free, key=lambda each: each.slot.name))
            else:
                left.append(order)
        self._state.queue = left

    def _settle_bound(self, order: Order) -> bool:
        """Report an order for one slot as lost if that slot is gone: no other slot may take it."""
        known = self._state.known.get(order.slot)
        if known is not None and not known.slot.left_out:
            return False
        if order.audits is not None:
            self._state.over.append(replace(order.audits, key=order.key))
        else:
            why = known.slot.left_out if known else "it is not there any more"
            self._state.over.append(Lost(order.key, order.slot, why))
        return True

    def _give(self, order: Order, known: _KnownSlot) -> None:
        folder = order.audits.folder if order.audits else new_folder(self._connect.runs)
        known.given = RunOrder(known.slot.name, order, folder.name)
        known.slot = replace(known.slot, busy=order.key)
        assert self._link is not None
        self._link.send(known.given)

    def _hear(self, seconds: float) -> None:
        """Handle messages of the bridge; start a new one when it died and the pause is over."""
        if self._link is None:
            left = self._start_at - time.monotonic()
            time.sleep(max(0.0, min(seconds, left)))
            if left <= seconds:
                self._link = Link(self._connect, self._log, self._argv)
            return
        for message in self._link.receive(seconds):
            if message is None:
                self._drop_bridge()
            else:
                self._take(message)

    def _take(self, message: Message) -> None:
        match message:
            case SlotUp():
                self._came_up, self._deaths, self._why_dead = True, 0, ""
                self._slot_up(message)
            case SlotUnusable():
                self._slot_unusable(message)
            case SlotGone():
                self._lose(message.slot, message.why)
                self._state.known.pop(message.slot, None)
            case DevicesKnown():
                self._coming = message.coming > 0 or message.devices == 0
            case Delivered():
                self._deliver(message)
            case OrderFailed():
                self._fail(message)
            case OrderCancelled():
                self._stopped(message)
            case BridgeBroken():
                self._broken(message)

    def _slot_up(self, message: SlotUp) -> None:
        report = message.report
        why = _why_not(report, self._wanted)
        slot = Slot(message.slot, message.node, report.fingerprint, report.sandbox, left_out=why)
        self._lose(message.slot, "another actor took its place")
        self._state.known[message.slot] = _KnownSlot(slot, report)
        ready = "ready" if slot.sandbox is SandboxLevel.BUBBLEWRAP else "ready, without bubblewrap"
        logger.info("slot %s: %s", slot.name, f"left out: {why}" if why else ready)

    def _slot_unusable(self, message: SlotUnusable) -> None:
        self._lose(message.slot, message.why)
        slot = Slot(message.slot, message.node, UNKNOWN, SandboxLevel.NONE, left_out=message.why)
        self._state.known[message.slot] = _KnownSlot(slot)
        logger.warning("slot %s is left out: %s", message.slot, message.why)

    def _leave_out(self) -> None:
        """Leave out the slots of another class of devices."""
        for known in self._state.known.values():
            if known.report and (why := _why_not(known.report, self._wanted)):
                known.slot = replace(known.slot, left_out=why)
                logger.warning("slot %s is left out: %s", known.slot.name, why)

    def _lose(self, name: str, why: str) -> None:
        """Lose the order that a slot carries out, if any: the slot is gone."""
        known = self._state.known.get(name)
        if known is None or known.given is None:
            return
        given, known.given = known.given, None
        known.slot = replace(known.slot, busy="")
        logger.warning("run %s is lost: slot %s: %s", given.order.key, name, why)
        if given.order.audits is not None:
            self._state.over.append(replace(given.order.audits, key=given.order.key))
            return
        self._drop(given)
        self._state.over.append(Lost(given.order.key, name, why))

    def _deliver(self, message: Delivered) -> None:
        """Deliver what a slot was given; anything else comes too late, or twice."""
        known = self._state.known.get(message.slot)
        given = known.given if known else None
        if known is None or given is None or given.order.key != message.key:
            logger.warning("run %s came from %s too late, or twice", message.key, message.slot)
            return
        known.given, known.slot = None, replace(known.slot, busy="")
        folder = self._connect.runs / given.folder
        self._state.over.append(Delivery(message.key, message.run, folder, message.slot))

    def _fail(self, message: OrderFailed) -> None:
        known = self._state.known.get(message.slot)
        if known and known.given and known.given.order.key == message.key:
            self._lose(message.slot, message.why)
            known.slot = replace(known.slot, left_out=message.why)

    def _stopped(self, message: OrderCancelled) -> None:
        known = self._state.known.get(message.slot)
        if known and known.slot.busy == message.key:
            known.given, known.slot = None, replace(known.slot, busy="")

    def _broken(self, message: BridgeBroken) -> None:
        if not message.again or not self._came_up:
            raise ExecutionError(f"{message.why}; then go on")
        self._why_dead = message.why

    def _drop_bridge(self) -> None:
        """Count the orders of a dead bridge as lost; a new bridge starts after a pause.

        Raises:
            ExecutionError: too many have died in a row.
        """
        assert self._link is not None
        self._link.end()
        self._link = None
        for name in list(self._state.known):
            self._lose(name, "the bridge to Ray died")
        self._state.known.clear()
        self._alone_since = max(self._alone_since, time.monotonic() - POLL_SECONDS)
        if self._deaths >= len(self._timeouts.bridges):
            why = self._why_dead or "see ray.log in the campaign's folder"
            raise ExecutionError(
                f"the bridge to Ray died {self._deaths + 1} times in a row: {why}. Start Ray "
                "again, then go on"
            )
        pause = self._timeouts.bridges[self._deaths]
        self._deaths += 1
        self._start_at = time.monotonic() + pause
        logger.warning("the bridge to Ray died; another one starts in %g s", pause)

    def _check_for_slots(self) -> None:
        """Check that there is a slot, or was one not long ago.

        Raises:
            ExecutionError: there is none.
        """
        if any(not each.slot.left_out for each in self._state.known.values()):
            self._alone_since = time.monotonic()
        elif time.monotonic() - self._alone_since > self._timeouts.devices:
            out = [f"{s.name}: {s.left_out}" for s in self.slots()]
            raise ExecutionError(
                f"no device of the cluster could be used for {self._timeouts.devices:g} s "
                f"({'; '.join(out) or 'none is there'}); start nodes (ray start), then go on"
            )

    def _drop(self, given: RunOrder) -> None:
        """Remove the folder of a run that is not delivered."""
        if given.order.audits is None:
            try:
                with suppress(FileNotFoundError):
                    remove_tree(self._connect.runs / given.folder)
            except OSError as error:  # the next start removes it
                logger.warning("a folder of a run stays behind: %s", in_words(error))


def _most(reports: Sequence[Report]) -> SlotRequirements:
    """Return the class of most of the slots, with the strongest sandbox among them."""
    chosen = Counter(each.fingerprint for each in reports).most_common(1)[0][0]
    levels = [each.sandbox for each in reports if each.fingerprint == chosen]
    return SlotRequirements(chosen, strongest(levels) or SandboxLevel.NONE)


def _why_not(report: Report, wanted: SlotRequirements | None) -> str:
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
