"""Whose turn it is: the language model's or optuna's.

Optuna has every so many turns, to tune the constants of whatever structure the model has found,
and those in which the endpoint is down.
"""

import logging
from collections.abc import Callable

from autoresearch_kit.errors import EndpointError, KitError
from autoresearch_kit.records import Proposal, Research
from autoresearch_kit.researchers.base import ModelResearcher, Researcher, View

logger = logging.getLogger(__name__)


def _nobody(_trouble: str) -> None:
    """Tell nobody."""


class Turns:
    """Both researchers as one; without a `model`, all turns are optuna's.

    `on_down` is told why, once an outage, when optuna first stands in.
    """

    def __init__(
        self,
        optuna: Researcher,
        model: ModelResearcher | None = None,
        research: Research | None = None,
        on_down: Callable[[str], None] = _nobody,
    ) -> None:
        self._optuna = optuna
        self._model = model
        self._research = research
        self._on_down = on_down
        self._down = False

    def takes_long(self, number: int) -> bool:
        """Whether experiment `number` is worth preparing while the one before it runs."""
        return self._model is not None and not self._is_optunas(number)

    def propose(self, view: View) -> Proposal:
        """The next experiment, by whose turn it is.

        Raises:
            LimitReached: a cap on tokens or dollars.
            KitError: nobody can propose anything; the message says why.
        """
        if self._model is None or self._is_optunas(view.number):
            return self._optuna.propose(view)
        return self._models(view, self._model.propose)

    def carry_over(self, view: View, prepared: Proposal) -> Proposal:
        """The idea of `prepared`, which conflicts with the new best, on that; else a new proposal.

        Raises:
            LimitReached: a cap on tokens or dollars.
            KitError: nobody can propose anything; the message says why.
        """
        model = self._model
        if model is None or prepared.researcher != model.name:
            return self.propose(view)
        return self._models(view, lambda v: model.carry_over(v, prepared) or model.propose(v))

    def _models(self, view: View, ask: Callable[[View], Proposal]) -> Proposal:
        """What the model is asked for, or optuna's proposal while it is out of reach."""
        try:
            proposal = ask(view)
        except EndpointError as error:
            return self._stand_in(view, error)
        if self._down:
            logger.warning("experiment %d: the endpoint answers again", view.number)
        self._down = False
        return proposal

    def repair(self, view: View, crashed: Proposal) -> Proposal | None:
        """The same idea with the bug of its last attempt mended; None if nobody can."""
        if self._model is None or crashed.researcher != self._model.name:
            return None
        try:
            return self._model.repair(view, crashed)
        except EndpointError as error:
            logger.warning("experiment %d is not repaired: %s", crashed.number, error)
            return None

    def close(self) -> None:
        """End what the model has under way."""
        if self._model is not None:
            self._model.close()

    def _is_optunas(self, number: int) -> bool:
        every = self._research.optuna_every if self._research else 1
        return every > 0 and number % every == 0

    def _stand_in(self, view: View, error: EndpointError) -> Proposal:
        """Optuna's proposal in the model's place.

        Raises:
            KitError: that is not wanted, or optuna has nothing to propose either.
        """
        if self._research is None or not self._research.fallback:
            raise KitError(f"the model can't be asked: {error}") from error
        logger.warning("experiment %d: optuna proposes, since %s", view.number, error)
        if not self._down:
            self._on_down(str(error))
        self._down = True
        return self._optuna.propose(view)
