"""The one device that runs and probes share: whoever came first has it first."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

POLL_SECONDS = 0.1


class DeviceQueue:
    """Lets one thread at a time run something on the device, in the order in which they came."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()

    @contextmanager
    def held(self, poll: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Have the device to oneself in here.

        `poll` is called about ten times a second while others have it; what it raises comes out
        here, and the place in the queue is given up.
        """
        place = object()
        with self._changed:
            self._waiting.append(place)
        try:
            while not self._is_first(place):
                poll()
            yield
        finally:
            with self._changed:
                self._waiting.remove(place)
                self._changed.notify_all()

    def _is_first(self, place: object) -> bool:
        """Wait a moment for this caller's turn; return whether it has come."""
        with self._changed:
            return self._changed.wait_for(lambda: self._waiting[0] is place, POLL_SECONDS)
