"""Proposals, made in the background: while runs train, the next ones are prepared.

The loop asks for what is ready and never waits here. Numbers follow the order in which proposals
are taken: whatever is ready goes before what is still being made, and a retry takes a number in
between. So a prepared proposal may get a higher number than it was asked for.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from autoresearch_kit.campaign.futures import complete
from autoresearch_kit.errors import in_words
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Proposal
from autoresearch_kit.researchers import Turns, View
from autoresearch_kit.researchers.duplicates import shares_change, tried_before
from autoresearch_kit.researchers.rebase import rebase

logger = logging.getLogger(__name__)

MOST_REQUESTS = 8  # requests at once, at most: endpoints limit their rate
CLOSE_SECONDS = 5.0  # seconds in which requests that were hung up on may write down what they have

T = TypeVar("T")


@dataclass(eq=False)
class _Made:
    """A proposal that is prepared, or still being made: then it has neither of the last two.

    It was `asked` for under this number, which names its file; `number` is the one that it would
    get now.
    """

    asked: int
    number: int
    proposal: Proposal | None = None
    error: BaseException | None = None


class Proposing:
    """Has proposals made. Used from one thread; `close()` ends what is under way."""

    def __init__(self, turns: Turns, workspace: Workspace, history: History) -> None:
        self._turns = turns
        self._under_way = workspace.under_way
        self._history = history
        self._made = [_Made(each.number, each.number, each) for each in self._under_way.prepared()]
        self._running: Sequence[Proposal] = ()
        self._lock = threading.RLock()
        self._places = threading.Semaphore(MOST_REQUESTS)
        self._threads: list[threading.Thread] = []

    def prepare(self, view: View, ahead: int) -> None:
        """See to it that `ahead` proposals after `view.running` are prepared or being made.

        Only those that take long are. Returns at once; to be called again whenever one was taken or
        was over, since no more than `MOST_REQUESTS` are made at once.
        """
        with self._lock:
            self._running = view.running
            self._renumber(view.number)
            if any(made.error for made in self._made):
                return
            for number in range(view.number, view.number + ahead):
                taken = any(made.number == number for made in self._made)
                room = len(self._made) < ahead and self._in_work() < MOST_REQUESTS
                if room and not taken and self._turns.takes_long(number):
                    self._begin(number, view)

    def ready(self, view: View) -> Proposal | None:
        """Return a proposal for `view.number` on the best of `view`; None while none is ready.

        The oldest prepared one goes first; it is pending from then on. One that conflicts with the
        best goes back to its researcher. Where none is being made, one is begun.

        Raises:
            KitError: the researcher can't go on; raised once for each proposal that it failed.
        """
        with self._lock:
            self._running = view.running
            self._renumber(view.number)
            due = any(made.number == view.number for made in self._made)
            if due or self._turns.takes_long(view.number):
                return self._taken(view)
            current = self._current_view(view, view.number)
        return self._turns.propose(current)

    def repair(self, view: View, crashed: Proposal) -> Future[Proposal | None]:
        """Begin to repair the crashed proposal; its result is None if nobody can.

        A repaired one is pending as soon as it is there.
        """
        current = self._current_view(view, view.number)

        def work() -> Proposal | None:
            repaired = self._turns.repair(current, crashed)
            if repaired is not None:
                self._written(self._under_way.write_pending, repaired)
            return repaired

        return self._promised(work)

    def merge(self, view: View, passed: Proposal) -> Future[Proposal | None]:
        """Begin to ask for the idea of `passed` on the best of `view`, with which it conflicts.

        The result is None if its researcher can't carry it over.
        """
        current = self._current_view(view, view.number)
        return self._promised(lambda: self._turns.merge(current, passed))

    def _promised(self, make: Callable[[], Proposal | None]) -> Future[Proposal | None]:
        future: Future[Proposal | None] = Future()
        self._start(lambda: complete(future, make))
        return future

    def close(self) -> None:
        """Hang up on requests under way; whatever came of them is written down."""
        self._turns.close()
        end = time.monotonic() + CLOSE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _renumber(self, number: int) -> None:
        """Give what is prepared the numbers from `number` on, where a retry took theirs."""
        for made in sorted(self._made, key=lambda made: made.number):
            made.number = max(made.number, number)
            number = made.number + 1

    def _taken(self, view: View) -> Proposal | None:
        """Return the oldest prepared proposal, on the best of now; None while there is none."""
        for made in sorted(self._made, key=lambda made: made.number):
            if made.proposal and (moved := self._on_best(made, made.proposal, view)):
                self._made.remove(made)
                moved = replace(moved, number=view.number)
                self._running = (*view.running, moved)
                self._written(partial(self._under_way.take_prepared, made.asked), moved)
                return moved
        for made in self._made:
            if made.error:
                self._made.remove(made)
                raise made.error
        if not self._made:
            self._begin(view.number, view)
        return None

    def _on_best(self, made: _Made, prepared: Proposal, view: View) -> Proposal | None:
        """Return what was prepared, on the best of now; None if it is asked for again."""
        moved = self._moved(prepared, view)
        current = self._current_view(view, made.number)
        if moved is None:
            logger.info("experiment %d: its prepared edits conflict with the new best", view.number)
            self._make(made, current, lambda current: self._turns.carry_over(current, prepared))
        elif moved.parent != prepared.parent and not moved.failure and _was_tried(moved, view):
            logger.info("experiment %d: what was prepared was tried; asked again", view.number)
            self._make(made, current, self._turns.propose)
            return None
        return moved

    def _moved(self, prepared: Proposal, view: View) -> Proposal | None:
        """Return the prepared proposal as one for the best of `view`; None if they conflict."""
        if prepared.parent == view.best or prepared.parent is None:
            return prepared
        if prepared.failure:
            return replace(prepared, parent=view.best)
        old = TrainNotebook.parse(self._history.source(prepared.parent))
        return rebase(prepared, old, view.notebook, view.best)

    def _begin(self, number: int, view: View) -> None:
        """Begin to make a new proposal under this number."""
        current = self._current_view(view, number)
        self._made.append(made := _Made(number, number))
        self._make(made, current, self._turns.propose)

    def _make(self, made: _Made, current: View, make: Callable[[View], Proposal]) -> None:
        """Have `make` make this proposal, or make it again, in the background.

        Where another one that it did not know of changes the same, it is asked for again, once.
        """
        made.proposal = None

        def work() -> None:
            try:
                if not self._finish(made, make(current), current):
                    logger.info("experiment %d is like another; asked again", current.number)
                    again = replace(current, running=self._running, prepared=self._prepared(made))
                    self._finish(made, self._turns.propose(again), None)
            except BaseException as error:  # noqa: BLE001 - raised again by `ready`
                made.error = error

        self._start(work)

    def _finish(self, made: _Made, proposal: Proposal, current: View | None) -> bool:
        """Write the proposal down as prepared.

        Return False instead where one that is in flight, and not in the view `current`, changes the
        same.
        """
        with self._lock:
            others = self._news(made, current) if current else []
            if any(shares_change(proposal, other) for other in others):
                return False
            proposal = replace(proposal, number=made.asked)
            self._written(self._under_way.write_prepared, proposal)
            made.proposal = proposal
            return True

    def _news(self, made: _Made, current: View) -> list[Proposal]:
        """Return proposals in flight that the view `current` does not have."""
        known = [(each.idea, each.constants, each.edits) for each in current.in_flight]
        now = (*self._running, *self._prepared(made))
        return [each for each in now if (each.idea, each.constants, each.edits) not in known]

    def _current_view(self, view: View, number: int) -> View:
        """Return the view for a request under this number, with all prepared proposals."""
        with self._lock:
            asked = next((made for made in self._made if made.number == number), None)
            return replace(view, number=number, prepared=self._prepared(asked))

    def _prepared(self, asked: _Made | None) -> tuple[Proposal, ...]:
        """Return the prepared proposals, without the one asked for."""
        with self._lock:
            return tuple(
                replace(made.proposal, number=made.number)
                for made in sorted(self._made, key=lambda made: made.number)
                if made.proposal and made is not asked
            )

    def _in_work(self) -> int:
        return sum(made.proposal is None and made.error is None for made in self._made)

    def _written(self, write: Callable[[Proposal], None], proposal: Proposal) -> None:
        """Write a proposal down for the next process, if the disk has space."""
        try:
            write(proposal)
        except OSError as error:
            logger.warning("what was prepared is not written down: %s", in_words(error))

    def _start(self, work: Callable[[], None]) -> None:
        """Start `work`, which makes requests, in a thread that does not keep the process alive."""

        def limited() -> None:
            with self._places:
                work()

        thread = threading.Thread(target=limited, name="proposing", daemon=True)
        self._threads = [*(each for each in self._threads if each.is_alive()), thread]
        thread.start()


def _was_tried(proposal: Proposal, view: View) -> bool:
    edited = view.notebook.apply(proposal.edits, proposal.constants)
    return tried_before(view, edited) is not None
