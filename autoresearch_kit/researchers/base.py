"""What a researcher sees, and what it gives back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from autoresearch_kit.execution.probed import Probed
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import (
    DatasetInfo,
    Experiment,
    Machine,
    Proposal,
    Run,
    Settings,
    best_of,
)

PROBE_SECONDS = 30.0
"""The training budget of a probe, at most; compilation is extra, as in any run."""

MakeProbe = Callable[[int, TrainNotebook], Probed]
"""Run a draft of this experiment without a score, once the device is free. Raises ExecutionError
where that can't be done, and Cancelled where the campaign ends."""


@dataclass(frozen=True)
class View:
    """A campaign as its researcher sees it before experiment `number`.

    `best` is the number of the best, and `notebook` its notebook; `experiments` are all that were
    tried, in order, the baseline first. `running` is being tried right now, if the view is of the
    experiment after that; `guidance` is what the human says, `lessons` what was learnt so far.
    """

    tag: str
    number: int
    best: int
    notebook: TrainNotebook
    experiments: Sequence[Experiment]
    running: Proposal | None = None
    guidance: str = ""
    lessons: str = ""


def latest_lessons(experiments: Sequence[Experiment]) -> str:
    """The last lessons that a model was asked for; empty if there are none yet."""
    asked = (one.proposal.lessons for one in reversed(experiments))
    return next((lessons for lessons in asked if lessons), "")


def view_of(
    history: History,
    workspace: Workspace,
    experiments: Sequence[Experiment],
    running: Proposal | None = None,
) -> View | None:
    """The campaign before its next experiment, or before the one after `running`.

    None before the baseline, since there is nothing to build on.
    """
    best = best_of(experiments)
    if best is None:
        return None
    return View(
        tag=history.tag,
        number=len(experiments) + (running is not None),
        best=best.number,
        notebook=TrainNotebook.parse(history.source(best.number)),
        experiments=tuple(experiments),
        running=running,
        guidance=workspace.guidance(),
        lessons=latest_lessons(experiments),
    )


@dataclass(frozen=True)
class Surroundings:
    """What does not change while a campaign process lives.

    `probe` is None where nothing can be run; `probes_made` tells which probes of an experiment were
    made so far.
    """

    history: History
    workspace: Workspace
    settings: Settings
    machine: Machine
    dataset: DatasetInfo
    probe: MakeProbe | None = None
    probes_made: Callable[[int], Sequence[Run]] = lambda _: ()


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


class ModelResearcher(Researcher, Protocol):
    """A researcher that takes its time, may be out of reach, and can mend what crashed."""

    def repair(self, view: View, crashed: Proposal) -> Proposal | None:
        """The same idea with the bug of its last attempt mended; None if it gives up.

        Raises:
            EndpointError: the model can't be asked.
        """

    def carry_over(self, view: View, prepared: Proposal) -> Proposal | None:
        """The idea of `prepared`, made for an earlier best, on this one; None if it gives it up.

        Raises:
            EndpointError: the model can't be asked.
        """

    def close(self) -> None:
        """End what it has under way."""
