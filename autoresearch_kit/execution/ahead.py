"""What is started before its turn: a run's own judge, and whatever its caller will.

Torch takes seconds to import. Where there are cores to spare (`RunSpec.ahead`), that is done beside
the training; nothing of it touches a GPU, or sees anything of the run, before its turn. Elsewhere
the judge is started when it is needed, and what the caller wants right after it: imports use one
core, so that two do more together.
"""

from collections.abc import Callable

from autoresearch_kit import codec
from autoresearch_kit.execution import handover, scoring
from autoresearch_kit.execution.child import Child
from autoresearch_kit.execution.grading import JudgeSpec
from autoresearch_kit.records import RunSpec


class Ahead:
    """Watches a run for the beginning of its training; `scored` is what its judge is asked. `also`
    is called once, at the latest when the judge's turn has come."""

    def __init__(self, spec: RunSpec, scored: JudgeSpec, also: Callable[[], None]) -> None:
        self._spec = spec
        self._scored = scored
        self._also = also
        self._judge: Child | None = None

    def look(self) -> None:
        """To be called often; starts the judge, and what the caller wants, when it is time."""
        if self._spec.ahead and self._judge is None and _trains(self._spec):
            self._scored.submission.touch()  # a sandbox shows a file that is there
            self._start()

    def take_judge(self) -> Child:
        """The judge, which waits for its turn; from then on it is the caller's to end."""
        judge = self._judge or self._start()
        self._judge = None
        return judge

    def end(self) -> None:
        """End the judge, if its turn did not come."""
        if self._judge is not None:
            self._judge.end()

    def _start(self) -> Child:
        judge = scoring.start(self._scored)
        self._judge = judge  # ended with the rest, whatever the caller's part comes to
        self._also()
        return judge


def _trains(spec: RunSpec) -> bool:
    live = (spec.folder / handover.LIVE_FILE).read_bytes()
    return codec.decode(handover.Live, live).stage == handover.TRAINS
