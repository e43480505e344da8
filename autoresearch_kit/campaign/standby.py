"""The runner and the kernel of the next run, which wait beside the run that trains."""

import logging

from autoresearch_kit.errors import in_words
from autoresearch_kit.execution import launch
from autoresearch_kit.execution.launch import Waiting
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.records import RunPlace

logger = logging.getLogger(__name__)


class Standby:
    """At most one runner that waits for its turn. `close()` ends it."""

    def __init__(self) -> None:
        self._waiting: Waiting | None = None

    @property
    def folders(self) -> set[str]:
        """The names of the folders of runs that are still to come."""
        return {self._waiting.place.folder.name} if self._waiting else set()

    def prepare(self, place: RunPlace) -> None:
        """Have a runner wait in this place."""
        self._waiting = launch.prepare(place)

    def take(self) -> Waiting | None:
        """The runner that waits, if one does; from then on it is the caller's to end."""
        waiting, self._waiting = self._waiting, None
        return waiting

    def close(self) -> None:
        """End what waits, since its turn will not come, and remove its folder."""
        waiting = self.take()
        if waiting is not None:
            waiting.runner.end()
            try:
                remove_tree(waiting.place.folder)
            except OSError as error:  # the next start removes it
                logger.warning("a folder of a run stays behind: %s", in_words(error))
