"""Start what comes after the training of a run: its judge, and the next run's kernel.

Torch takes seconds to import. Where there are cores to spare (`RunSpec.ahead`), the judge and the
next run's kernel do that beside the training; neither touches a GPU, or sees anything of the run,
before its turn. Elsewhere the judge is started when it is needed, and the next run's kernel right
after it: an import uses one core, so that two at a time take less.
"""

import logging
from collections.abc import Callable

from autoresearch_kit.errors import in_words
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.judge import scoring
from autoresearch_kit.execution.judge.scoring import JudgeSpec
from autoresearch_kit.execution.processes.child import Child
from autoresearch_kit.execution.runner.submission import make_targets
from autoresearch_kit.records import RunSpec, codec

logger = logging.getLogger(__name__)


class Ahead:
    """Starts what comes after the training of a run: its judge, and what `also` starts.

    An error of the disk before the judge's turn is logged: the judge is started again when it is
    needed, and the run that is under way is never lost by what comes after it.
    """

    def __init__(self, spec: RunSpec, judge_spec: JudgeSpec, also: Callable[[], None]) -> None:
        self._spec = spec
        self._judge_spec = judge_spec
        self._also = also
        self._judge: Child | None = None
        self._begun = False

    def look(self) -> None:
        """Start both if the run trains, and there are cores to spare; to be called often."""
        if not self._spec.ahead or self._begun:
            return
        live = codec.decode(handover.Live, (self._spec.folder / handover.LIVE_FILE).read_bytes())
        if live.stage != handover.TRAINS:
            return
        try:
            make_targets(self._spec)
            self._judge = scoring.start(self._judge_spec)
        except OSError as error:
            logger.warning("the judge is started when it is needed: %s", in_words(error))
        self._start_next()

    def take_judge(self) -> Child:
        """Return the judge, which waits for its turn and is the caller's to end from now on."""
        self._judge = self._judge or scoring.start(self._judge_spec)
        if not self._begun:
            self._start_next()  # if that fails, `end` ends the judge
        judge, self._judge = self._judge, None
        return judge

    def end(self) -> None:
        """End the judge, if nobody has taken it."""
        if self._judge is not None:
            self._judge.end()

    def _start_next(self) -> None:
        self._begun = True
        try:
            self._also()
        except OSError as error:
            logger.warning("what comes next is started when it is needed: %s", in_words(error))
