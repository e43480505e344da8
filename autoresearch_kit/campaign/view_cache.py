"""Keep the view that a researcher gets until something changes."""

import time
from collections.abc import Sequence

from autoresearch_kit.campaign.parts import Parts
from autoresearch_kit.campaign.slots import Slots
from autoresearch_kit.files import record_files
from autoresearch_kit.records import Experiment, Proposal
from autoresearch_kit.researchers import View

VIEW_SECONDS = 2.0
"""The age from which what a researcher sees is made anew: a person's guidance may have changed."""


class ViewCache:
    """Keeps the view that was made last.

    It takes files and git to make one, and the loop asks many times while no proposal is ready.
    """

    def __init__(self, parts: Parts, slots: Slots) -> None:
        self._parts = parts
        self._slots = slots
        self._view: View | None = None
        self._about: tuple[int, set[int]] | None = None
        self._made_at = 0.0

    def forget(self) -> None:
        """Have the next view made anew."""
        self._about = None

    def view(self, experiments: Sequence[Experiment], running: Sequence[Proposal]) -> View | None:
        """Return what a researcher sees now; the same again while nothing has changed."""
        about = len(experiments), {each.number for each in running}
        old, changed = time.monotonic() - self._made_at > VIEW_SECONDS, about != self._about
        # many slots have many files, and change something many times a second
        if old or (changed and len(self._slots.names) == 1):
            record_files.set_damaged_aside(self._parts.workspace.folder)
            self._made_at = time.monotonic()
        if old or changed:
            self._view = self._parts.view(experiments, running)
            self._about = about
        return self._view
