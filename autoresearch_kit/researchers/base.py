"""What a researcher sees, and what it gives back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Experiment, Proposal


@dataclass(frozen=True)
class View:
    """A campaign as its researcher sees it before experiment `number`.

    `best` is the number of the best, and `notebook` its notebook; `experiments` are all that were
    tried, in order, the baseline first. `running` is being tried right now, if the view is of the
    experiment after that; `guidance` is what the human says.
    """

    tag: str
    number: int
    best: int
    notebook: TrainNotebook
    experiments: Sequence[Experiment]
    running: Proposal | None = None
    guidance: str = ""


class Researcher(Protocol):
    """Who proposes the next experiment; it keeps nothing in mind that the view doesn't say."""

    @property
    def name(self) -> str:
        """The name that proposals carry, and that `--researcher` takes."""

    def propose(self, view: View) -> Proposal:
        """The next experiment; the same view gives the same proposal where that is possible.

        Raises:
            KitError: it has nothing left to propose; the message says what a person can do.
        """
