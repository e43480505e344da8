"""The view that a researcher gets of a campaign, and the protocol of researchers."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from autoresearch_kit.errors import EndpointError, RefusedError
from autoresearch_kit.execution.probed import Probed
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import (
    Bound,
    DatasetInfo,
    Experiment,
    Machine,
    Proposal,
    Research,
    Run,
    Settings,
    Task,
    TaskInfo,
    best_of,
    next_number,
)
from autoresearch_kit.verdicts.bounds import in_force

PROBE_SECONDS = 30.0  # the training budget of a probe, at most; compilation is extra, as in any run

MakeProbe = Callable[[int, TrainNotebook], Probed]
"""Runs a draft of this experiment without a score, once the device is free. Raises ExecutionError
where that can't be done, and Cancelled where the campaign ends."""


@dataclass(frozen=True)
class View:
    """A campaign as its researcher sees it before experiment `number`.

    `best` is the number of the best experiment and `notebook` its notebook; `experiments` are all
    that were tried, in order, the baseline first. `running` are under way, `prepared` come after
    them; `guidance` is what the human says, `lessons` what was learnt so far. `bounds` are those
    in force.
    """

    tag: str
    number: int
    best: int
    notebook: TrainNotebook
    experiments: Sequence[Experiment]
    running: Sequence[Proposal] = ()
    guidance: str = ""
    lessons: str = ""
    prepared: Sequence[Proposal] = ()
    bounds: tuple[Bound, ...] = ()

    @property
    def task(self) -> Task:
        """Return the campaign's task with the bounds in force."""
        return replace(self.experiments[0].settings.task, bounds=self.bounds)

    @property
    def in_flight(self) -> Sequence[Proposal]:
        """Return the proposals whose outcome is not known: under way, and prepared."""
        return (*self.running, *self.prepared)

    def experiment(self, number: int) -> Experiment:
        """Return the experiment of this number; they may have finished in any order."""
        return next(each for each in self.experiments if each.number == number)


def latest_lessons(experiments: Sequence[Experiment]) -> str:
    """Return the last lessons that a model wrote; empty if there are none yet."""
    written = (experiment.proposal.lessons for experiment in reversed(experiments))
    return next((lessons for lessons in written if lessons), "")


def view_of(
    history: History,
    workspace: Workspace,
    experiments: Sequence[Experiment],
    running: Sequence[Proposal] = (),
) -> View | None:
    """Return the campaign before its next experiment, while those `running` are under way.

    None before the baseline, since there is nothing to build on.
    """
    best = best_of(experiments)
    if best is None:
        return None
    task = experiments[0].settings.task
    return View(
        tag=history.tag,
        number=next_number(experiments, running),
        best=best.number,
        notebook=TrainNotebook.parse(history.source(best.number)),
        experiments=tuple(experiments),
        running=running,
        guidance=workspace.guidance(),
        lessons=latest_lessons(experiments),
        bounds=in_force(workspace.bounds(), experiments, task),
    )


@dataclass(frozen=True)
class Surroundings:
    """A campaign's parts that do not change while its process lives.

    `probe` is None where nothing can be run; `probes_made` returns the probes that were made of an
    experiment so far.
    """

    history: History
    workspace: Workspace
    settings: Settings
    machine: Machine
    dataset: DatasetInfo | TaskInfo
    probe: MakeProbe | None = None
    probes_made: Callable[[int], Sequence[Run]] = lambda _: ()


class Researcher(Protocol):
    """Proposes experiments; a subclass has a `name`, which its proposals carry, and `propose`.

    It remembers nothing that the view doesn't say, so that a campaign can be resumed. All its
    methods raise EndpointError where what it depends on is out of reach for now, so that another
    may stand in.
    """

    name: str
    slow: bool = False
    """True if a proposal takes so long that it is prepared while the run before it trains."""

    @abstractmethod
    def propose(self, view: View) -> Proposal:
        """Return the next experiment; for the same view the same one, where that is possible.

        Raises:
            KitError: it has nothing left to propose; the message says what a person can do.
        """
        raise NotImplementedError

    def repair(self, view: View, crashed: Proposal) -> Proposal | None:  # noqa: ARG002
        """Return a proposal of its own with the bug of the last attempt mended, or None."""
        return None

    def carry_over(self, view: View, prepared: Proposal) -> Proposal | None:  # noqa: ARG002
        """Return the idea of a proposal made for an earlier best on the best of `view`, or None."""
        return None

    def close(self) -> None:
        """End what is under way."""
        return


CHECK_SECONDS = 180.0  # the time that one word may take


@dataclass(frozen=True)
class Model:
    """The settings by which a language model is asked. The key is never written down or shown.

    A request that the endpoint refuses for now is made again `retries` times. An answer is given
    up when for `timeout` seconds no byte of it has come: models think for minutes, but where they
    stream, something arrives while they do.
    """

    research: Research
    key: str = field(repr=False)
    retries: int = 4
    timeout: float = 600.0

    def check(self, *, must_answer: bool = False) -> None:
        """Ask the model for a word, so that a wrong setting shows before anything runs.

        Raises:
            RefusedError: the key or the model's name is wrong; the message names the setting.
            EndpointError: nobody answers, and `must_answer`.
        """
        from autoresearch_kit.researchers.llm.endpoint import Endpoint  # loads slowly

        once = replace(self, retries=0, timeout=min(self.timeout, CHECK_SECONDS))
        endpoint = Endpoint(once)
        try:
            endpoint.check()
        except EndpointError as error:
            if must_answer or isinstance(error, RefusedError):
                raise
        finally:
            endpoint.close()
