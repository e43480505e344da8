"""Take over the approvals and rejections that people give while a campaign runs."""

import logging
from dataclasses import replace

from autoresearch_kit.errors import LedgerError
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Experiment

logger = logging.getLogger(__name__)


class Answers:
    """Notices what people answer, by commands of their own, about keeps in this history."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._mark: tuple[str, ...] = ()

    def take_over(self, experiments: list[Experiment]) -> bool:
        """Write new answers into keeps that wait; return True if there may be one.

        The best may be another one then.
        """
        mark = self._history.answers_mark()
        if mark == self._mark:
            return False
        self._mark = mark
        try:
            answers = self._history.answers()
        except LedgerError as error:
            logger.warning("answers about keeps can't be read: %s", error)
            return True
        for at, experiment in enumerate(experiments):
            if experiment.waits and experiment.number in answers:
                answer = answers[experiment.number]
                experiments[at] = replace(experiment, approval=answer)
                logger.info("experiment %d was %s", experiment.number, answer)
        return True
