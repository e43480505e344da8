"""Work that goes on beside the campaign, and that the campaign does not wait for."""

import threading
import time
from collections.abc import Callable
from queue import Full, Queue

Work = Callable[[], None]


class Background:
    """One thing after the other, in a thread that does not keep the process alive.

    At most `room` wait for their turn. What is done must say itself what went wrong with it.
    """

    def __init__(self, name: str, room: int) -> None:
        self._name = name
        self._room = room
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._todo: Queue[Work | None] = Queue(room)

    def do(self, work: Work) -> bool:
        """Have it done, soon; whether there was room."""
        with self._lock:  # several threads may ask for the first thing
            if self._thread is None or not self._thread.is_alive():
                self._start()
        try:
            self._todo.put_nowait(work)
        except Full:
            return False
        return True

    def _start(self) -> None:
        self._todo = Queue(self._room)
        self._thread = threading.Thread(
            target=_work_off, args=(self._todo,), name=self._name, daemon=True
        )
        self._thread.start()

    def finish(self, seconds: float) -> bool:
        """Wait so long at most until all is done; whether it is. What is not, is left."""
        thread, self._thread = self._thread, None
        if thread is None:
            return True
        end = time.monotonic() + seconds
        try:
            self._todo.put(None, timeout=seconds)
        except Full:
            return False
        thread.join(max(0.0, end - time.monotonic()))
        return not thread.is_alive()


def _work_off(todo: "Queue[Work | None]") -> None:
    while (work := todo.get()) is not None:
        work()
