"""Start processes before they are needed: a run's own judge, and whatever its caller wants.

Torch takes seconds to import. Where there are cores to spare (`RunSpec.ahead`), that is done beside
the training; no such process touches a GPU, or sees anything of the run, before its turn. Elsewhere
the judge is started when it is needed, and right after it what the caller wants: an import uses one
core, so that two at a time take less.
"""

import logging
from collections.abc import Callable

from autoresearch_kit.errors import in_words
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.judge import scoring
from autoresearch_kit.execution.judge.scoring import JudgeSpec
from autoresearch_kit.execution.processes.child import Child
from autoresearch_kit.records import RunSpec, codec

logger = logging.getLogger(__name__)


class Ahead:
    """Waits for the training of a run to begin; `scored` is what its judge is asked.

    `also` is called once, at the latest when the judge's turn has come. An error of the disk before
    that is logged: the judge is started again when it is needed, and the run that is under way is
    never lost by what comes after it.
    """

    def __init__(self, spec: RunSpec, scored: JudgeSpec, also: Callable[[], None]) -> None:
        self._spec = spec
        self._scored = scored
        self._also = also
        self._judge: Child | None = None
        self._begun = False

    def look(self) -> None:
        """Start the judge, and what the caller wants, if it is time; to be called often."""
        if self._spec.ahead and not self._begun and _trains(self._spec):
            self._begun = True
            self._start_judge_ahead()
            self._start_rest()

    def take_judge(self) -> Child:
        """Return the judge, which waits for its turn and is the caller's to end from now on."""
        if self._judge is None:
            self._judge = scoring.start(self._scored)  # ended with the rest until it is taken
        if not self._begun:
            self._begun = True
            self._start_rest()
        judge, self._judge = self._judge, None
        return judge

    def end(self) -> None:
        """End the judge, if nobody has taken it."""
        if self._judge is not None:
            self._judge.end()

    def _start_judge_ahead(self) -> None:
        try:
            self._scored.submission.touch()  # a sandbox shows a file that is there
            self._judge = scoring.start(self._scored)
        except OSError as error:
            logger.warning("the judge is started when it is needed: %s", in_words(error))

    def _start_rest(self) -> None:
        try:
            self._also()
        except OSError as error:
            logger.warning("what comes next is started when it is needed: %s", in_words(error))


def _trains(spec: RunSpec) -> bool:
    live = (spec.folder / handover.LIVE_FILE).read_bytes()
    return codec.decode(handover.Live, live).stage == handover.TRAINS
