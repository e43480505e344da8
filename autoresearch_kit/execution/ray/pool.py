"""The pool of a Ray cluster, in the campaign's process, which never imports Ray.

It decides everything: which devices are of the campaign's class, who carries out what, and that an
order is delivered once at most. The bridge only knows the cluster; when it dies, all that was
carried out is lost, and it is started again.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_kit.errors import ExecutionError
from autoresearch_kit.execution.pool import Delivery, Lost, Order
from autoresearch_kit.execution.ray.assignments import (
    Assignments,
    KnownSlot,
    SlotRequirements,
    most_common_class,
    why_not_of,
)
from autoresearch_kit.execution.ray.link import Link
from autoresearch_kit.execution.ray.messages import (
    BridgeBroken,
    Connect,
    Delivered,
    DevicesKnown,
    Message,
    OrderCancelled,
    OrderFailed,
    Report,
    SlotGone,
    SlotUnusable,
    SlotUp,
)
from autoresearch_kit.records import Fingerprint, SandboxLevel, Slot

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
        self._orders = Assignments(connect.runs, self._tell)
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
            reports = [each.report for each in self._orders.known.values() if each.report]
            if self._wanted is None and reports:
                if not self._coming or time.monotonic() > settled:
                    self._wanted = most_common_class(reports)
                    self._leave_out()
                continue
            chosen = [each for each in self._orders.known.values() if not each.slot.left_out]
            if self._wanted and (ready := next((c.report for c in chosen if c.report), None)):
                return ready
            self._check_for_slots()
        raise ExecutionError("stopped before a device of the cluster was ready")

    def slots(self) -> Sequence[Slot]:
        """Return the slots, as `Pool.slots` says; those left out are among them."""
        known = self._orders.known
        return [known[name].slot for name in sorted(known)]

    def submit(self, order: Order) -> None:
        """Begin a run, or queue it, as `Pool.submit` says."""
        node = self._connect.node
        if order.dataset != node.data:
            raise ExecutionError(
                f"run {order.key} needs data set {order.dataset}; the cluster gets {node.data}"
            )
        self._orders.add(order)
        self._orders.hand_out()

    def wait(self, seconds: float) -> Sequence[Delivery | Lost]:
        """Return what is over, as `Pool.wait` says.

        Raises:
            ExecutionError: there are no devices, or no bridge, in spite of all timeouts. The
                campaign can be resumed.
        """
        if not self._orders.over:
            self._hear(seconds)
            self._orders.hand_out()
            self._check_for_slots()
        over, self._orders.over = self._orders.over, []
        return over

    def cancel(self, key: str) -> None:
        """Kill a run, or take it out of the queue; it is not delivered."""
        self._orders.cancel(key)

    def close(self) -> None:
        """Kill whatever is under way, and wait until nothing of it is left."""
        if self._link is not None:
            self._link.end()
            self._link = None
        self._orders.clear()

    def _tell(self, message: Message) -> None:
        assert self._link is not None  # without a bridge there are no slots
        self._link.send(message)

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
                self._out(message)
            case SlotGone():
                self._orders.lose(message.slot, message.why)
                self._orders.known.pop(message.slot, None)
            case DevicesKnown():
                self._coming = message.coming > 0 or message.devices == 0
            case Delivered():
                self._orders.deliver(message)
            case OrderFailed():
                self._orders.fail(message)
            case OrderCancelled():
                self._orders.stopped(message)
            case BridgeBroken():
                self._broken(message)

    def _slot_up(self, message: SlotUp) -> None:
        report = message.report
        why = why_not_of(report, self._wanted)
        slot = Slot(message.slot, message.node, report.fingerprint, report.sandbox, left_out=why)
        self._orders.lose(message.slot, "another actor took its place")
        self._orders.known[message.slot] = KnownSlot(slot, report)
        ready = "ready" if slot.sandbox is SandboxLevel.BUBBLEWRAP else "ready, without bubblewrap"
        logger.info("slot %s: %s", slot.name, f"left out: {why}" if why else ready)

    def _out(self, message: SlotUnusable) -> None:
        self._orders.lose(message.slot, message.why)
        slot = Slot(message.slot, message.node, UNKNOWN, SandboxLevel.NONE, left_out=message.why)
        self._orders.known[message.slot] = KnownSlot(slot)
        logger.warning("slot %s is left out: %s", message.slot, message.why)

    def _leave_out(self) -> None:
        """Leave out the slots that are there and not of the class."""
        for known in self._orders.known.values():
            if known.report and (why := why_not_of(known.report, self._wanted)):
                known.slot = replace(known.slot, left_out=why)
                logger.warning("slot %s is left out: %s", known.slot.name, why)

    def _broken(self, message: BridgeBroken) -> None:
        if not message.again or not self._came_up:
            raise ExecutionError(f"{message.why}; then go on")
        self._why_dead = message.why

    def _drop_bridge(self) -> None:
        """Count the orders of a dead bridge as lost; a new bridge starts after a pause."""
        assert self._link is not None
        self._link.end()
        self._link = None
        for name in list(self._orders.known):
            self._orders.lose(name, "the bridge to Ray died")
        self._orders.known.clear()
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
        """Check that there is a slot, or was one not long ago; ExecutionError if there is none."""
        if any(not each.slot.left_out for each in self._orders.known.values()):
            self._alone_since = time.monotonic()
        elif time.monotonic() - self._alone_since > self._timeouts.devices:
            out = [f"{s.name}: {s.left_out}" for s in self.slots()]
            raise ExecutionError(
                f"no device of the cluster could be used for {self._timeouts.devices:g} s "
                f"({'; '.join(out) or 'none is there'}); start nodes (ray start), then go on"
            )
