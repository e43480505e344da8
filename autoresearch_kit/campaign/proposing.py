"""Proposals, made in the background: while a run trains, the next one is prepared.

Whoever waits for a proposal keeps the heartbeat going, and obeys a request to stop.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import replace
from typing import TypeVar

from autoresearch_kit.errors import Cancelled, in_words
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Proposal
from autoresearch_kit.researchers import Turns, View
from autoresearch_kit.researchers.duplicates import tried_before
from autoresearch_kit.researchers.rebase import rebase

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1

T = TypeVar("T")


class Proposing:
    """Has proposals made, at most one while another runs."""

    def __init__(self, turns: Turns, workspace: Workspace, history: History) -> None:
        self._turns = turns
        self._workspace = workspace
        self._history = history
        self._preparing: Future[Proposal] | None = None

    def prepare(self, view: View) -> None:
        """Begin to make the proposal after `view.running`, if that takes long; return at once.

        Begin nothing while there is one that was prepared before, and whose turn a disturbed
        experiment took, which is tried again first.
        """
        prepared = self._preparing is not None or _is_unused(self._workspace.prepared(), view)
        if self._turns.takes_long(view.number) and not prepared:
            self._preparing = _in_background(lambda: self._written(self._turns.propose(view)))

    def propose(self, view: View, cancelled: Callable[[], bool]) -> Proposal:
        """Return the next proposal: the prepared one moved to the best of now, or a new one.

        Raises:
            Cancelled: a person asked to stop at once.
            KitError: the researcher can't go on.
        """
        prepared = self._prepared(view, cancelled)
        if prepared is None:
            return _wait(_in_background(lambda: self._turns.propose(view)), cancelled)
        moved = self._moved(prepared, view)
        if moved is None:
            logger.info("experiment %d: its prepared edits conflict with the new best", view.number)
            carry = _in_background(lambda: self._turns.carry_over(view, prepared))
            return _wait(carry, cancelled)
        if moved.parent == prepared.parent or moved.failure or not _was_tried(moved, view):
            return moved
        logger.info("experiment %d: what was prepared was tried before; asked again", view.number)
        return _wait(_in_background(lambda: self._turns.propose(view)), cancelled)

    def repair(
        self, view: View, crashed: Proposal, cancelled: Callable[[], bool]
    ) -> Proposal | None:
        """Return the crashed proposal with its bug repaired; None if nobody can."""
        return _wait(_in_background(lambda: self._turns.repair(view, crashed)), cancelled)

    def _prepared(self, view: View, cancelled: Callable[[], bool]) -> Proposal | None:
        """Return the proposal prepared for this number, or for one that became a retry."""
        preparing, self._preparing = self._preparing, None
        made = None if preparing is None else _wait(preparing, cancelled)
        prepared = made if _is_unused(made, view) else self._workspace.prepared()
        if prepared is None or not _is_unused(prepared, view):
            return None
        return replace(prepared, number=view.number)

    def _written(self, proposal: Proposal) -> Proposal:
        """Write a proposal down for a process that comes after this one, if the disk lets it."""
        try:
            self._workspace.write_prepared(proposal)
        except OSError as error:
            logger.warning("what was prepared is not written down: %s", in_words(error))
        return proposal

    def _moved(self, prepared: Proposal, view: View) -> Proposal | None:
        """Return the prepared proposal as one for the best of `view`; None if they conflict."""
        if prepared.parent == view.best or prepared.parent is None:
            return prepared
        if prepared.failure:
            return replace(prepared, parent=view.best)
        old = TrainNotebook.parse(self._history.source(prepared.parent))
        return rebase(prepared, old, view.notebook, view.best)


def _is_unused(prepared: Proposal | None, view: View) -> bool:
    """Return whether what was prepared is still to be tried: all since its number were retries."""
    tried = [*(each.proposal for each in view.experiments), *view.running]
    last = max(each.number for each in tried if each.retry_of is None)
    return prepared is not None and last < prepared.number <= view.number


def _was_tried(proposal: Proposal, view: View) -> bool:
    edited = view.notebook.apply(proposal.edits, proposal.constants)
    return tried_before(view, edited) is not None


def _in_background(make: Callable[[], T]) -> Future[T]:
    """Start `make` in a thread that does not keep the process alive."""
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(make())
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
            future.set_exception(error)

    threading.Thread(target=work, name="proposing", daemon=True).start()
    return future


def _wait(future: Future[T], cancelled: Callable[[], bool]) -> T:
    while True:
        try:
            return future.result(timeout=POLL_SECONDS)
        except NotYet:
            if future.done():
                raise
            if cancelled():
                raise Cancelled("stopped while a proposal was made") from None
