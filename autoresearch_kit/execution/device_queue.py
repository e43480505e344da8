"""Share devices between runs and probes, in the order in which they ask for one."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

POLL_SECONDS = 0.1


@dataclass(eq=False)
class Ticket:
    """A place in the queue, for any device or `only` for one; `device` is set when it has it."""

    only: str = ""
    device: str = ""


class DeviceQueue:
    """Gives each device to one thread at a time, in the order in which they asked for one."""

    def __init__(self, devices: Sequence[str]) -> None:
        self._devices = tuple(devices)
        self._changed = threading.Condition()
        self._free = set(devices)
        self._waiting: list[Ticket] = []

    def ask(self, only: str = "") -> Ticket:
        """Return a place in the queue, which has a device at once if one is free.

        It must be used with `held`, which gives the device back. `only` names the device that it
        waits for; empty for any.
        """
        ticket = Ticket(only)
        with self._changed:
            self._waiting.append(ticket)
            self._hand_out()
        return ticket

    @contextmanager
    def held(self, ticket: Ticket, poll: Callable[[], None] = lambda: None) -> Iterator[str]:
        """Hold a device exclusively; yield its name.

        `poll` is called about ten times a second while others hold it; what that raises comes out
        here, and ends the waiting.
        """
        try:
            while not self._has_device(ticket):
                poll()
            yield ticket.device
        finally:
            self.leave(ticket)

    def _has_device(self, ticket: Ticket) -> bool:
        """Wait a moment for a ticket's turn; return whether it has come."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(ticket.device), POLL_SECONDS)

    def leave(self, ticket: Ticket) -> None:
        """Give back a ticket's device, or its place in the queue."""
        with self._changed:
            if ticket.device:
                self._free.add(ticket.device)
            else:
                self._waiting.remove(ticket)
            self._hand_out()

    def _hand_out(self) -> None:
        """Give free devices to the waiting tickets, in order."""
        for ticket in tuple(self._waiting):
            fit = [name for name in self._devices if ticket.only in ("", name)]
            if free := [name for name in fit if name in self._free]:
                ticket.device = free[0]
                self._free.remove(free[0])
                self._waiting.remove(ticket)
        self._changed.notify_all()
