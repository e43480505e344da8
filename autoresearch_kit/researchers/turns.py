"""Turns of several researchers that propose for one campaign."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autoresearch_kit.errors import Cancelled, EndpointError, KitError
from autoresearch_kit.records import Proposal
from autoresearch_kit.researchers.base import Researcher, View

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Share:
    """A researcher that proposes the experiments whose numbers are multiples of `every`."""

    researcher: Researcher
    every: int


class Turns:
    """Several researchers as one: `first` proposes whatever no share takes.

    `fallback` proposes while the researcher whose turn it is can't be reached; `on_down` is then
    called with the reason, once for each outage. May be used from several threads.
    """

    def __init__(
        self,
        first: Researcher,
        shares: Sequence[Share] = (),
        fallback: Researcher | None = None,
        on_down: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._first = first
        self._shares = shares
        self._fallback = fallback
        self._on_down = on_down
        self._by_name = {r.name: r for r in (first, *(share.researcher for share in shares))}
        self._down: set[str] = set()
        self._lock = threading.Lock()
        self._closed = False

    def takes_long(self, number: int) -> bool:
        """Return whether experiment `number` is to be prepared while the one before it runs."""
        return self._whose(number).slow

    def propose(self, view: View) -> Proposal:
        """Return the next experiment, by whose turn it is.

        Raises:
            KitError: nobody can propose anything, or a cap is reached; the message says why.
        """
        return self._ask(self._whose(view.number), view, lambda asked: asked.propose(view))

    def carry_over(self, view: View, prepared: Proposal) -> Proposal:
        """Return the idea of `prepared`, which conflicts with the new best, or a new proposal.

        Raises:
            KitError: as `propose`.
        """
        author = self._by_name.get(prepared.researcher)
        if author is None:
            return self.propose(view)
        return self._ask(
            author, view, lambda asked: asked.carry_over(view, prepared) or asked.propose(view)
        )

    def merge(self, view: View, passed: Proposal) -> Proposal | None:
        """Return an idea that passed on the best of `view`, with which it conflicts, or None."""
        author = self._by_name.get(passed.researcher)
        try:
            return author.carry_over(view, passed) if author else None
        except EndpointError as error:
            logger.warning("experiment %d is not merged: %s", passed.number, error)
            return None

    def repair(self, view: View, crashed: Proposal) -> Proposal | None:
        """Return the proposal with the bug of its last attempt mended; None if nobody can."""
        author = self._by_name.get(crashed.researcher)
        try:
            return author.repair(view, crashed) if author else None
        except EndpointError as error:
            logger.warning("experiment %d is not repaired: %s", crashed.number, error)
            return None

    def close(self) -> None:
        """End what the researchers have under way; nobody proposes in place of them then."""
        self._closed = True
        for researcher in self._by_name.values():
            researcher.close()

    def _whose(self, number: int) -> Researcher:
        takers = (share.researcher for share in self._shares if number % share.every == 0)
        return next(takers, self._first)

    def _ask(
        self, researcher: Researcher, view: View, ask: Callable[[Researcher], Proposal]
    ) -> Proposal:
        """Return what the researcher answers, or what the fallback proposes during an outage."""
        try:
            proposal = ask(researcher)
        except EndpointError as error:
            if self._closed:
                raise Cancelled("the campaign ends; nothing more is proposed") from error
            if self._fallback is None or self._fallback is researcher:
                raise KitError(f"{researcher.name} can't be asked: {error}") from error
            name = self._fallback.name
            logger.warning("experiment %d: %s proposes, since %s", view.number, name, error)
            if self._changes(researcher, down=True):
                self._on_down(str(error))
            return self._fallback.propose(view)
        if self._changes(researcher, down=False):
            logger.warning("experiment %d: %s answers again", view.number, researcher.name)
        return proposal

    def _changes(self, researcher: Researcher, *, down: bool) -> bool:
        """Note whether a researcher can be reached; return whether that is news."""
        with self._lock:
            news = (researcher.name in self._down) is not down
            if news and down:
                self._down.add(researcher.name)
            elif news:
                self._down.remove(researcher.name)
            return news
