"""Share one device between runs and probes, in the order in which they ask for it."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

POLL_SECONDS = 0.1


class DeviceQueue:
    """Lets one thread at a time use the device, in the order in which they asked."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()

    @contextmanager
    def held(self, poll: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the device in here, alone.

        `poll` is called about ten times a second while others hold it; what that raises comes out
        here, and ends the waiting.
        """
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
        try:
            while not self._is_first(ticket):
                poll()
            yield
        finally:
            with self._changed:
                self._waiting.remove(ticket)
                self._changed.notify_all()

    def _is_first(self, ticket: object) -> bool:
        """Wait a moment for a ticket's turn; return whether it has come."""
        with self._changed:
            return self._changed.wait_for(lambda: self._waiting[0] is ticket, POLL_SECONDS)
