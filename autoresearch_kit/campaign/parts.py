"""The parts of a campaign that the loop works with, made ready when its process starts."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

from autoresearch_kit.campaign.context import Context, find_context
from autoresearch_kit.campaign.experiment import Decider, Outcome
from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.campaign.measuring import Measuring
from autoresearch_kit.campaign.probing import Probing
from autoresearch_kit.campaign.proposing import Proposing
from autoresearch_kit.execution import launch
from autoresearch_kit.execution.local import LocalPool
from autoresearch_kit.execution.pool import Pool
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import (
    Experiment,
    Limits,
    Profiled,
    Proposal,
    Settings,
    Stage,
    Verdict,
    profiled_before,
)
from autoresearch_kit.researchers import Model, Surroundings, View, find_turns, view_of
from autoresearch_kit.researchers.spending import Meter
from autoresearch_kit.verdicts.validity import usual_elsewhere


@dataclass(frozen=True)
class Parts:
    """The parts of a campaign that live as long as its process."""

    context: Context
    history: History
    heartbeat: Heartbeat
    pool: Pool
    measuring: Measuring
    proposing: Proposing
    probing: Probing
    meter: Meter
    limits: Limits
    model: Model | None

    def view(
        self, experiments: Sequence[Experiment], running: Sequence[Proposal] = ()
    ) -> View | None:
        """Return what a researcher sees, while `running` are tried; None before the baseline."""
        return view_of(self.history, self.measuring.workspace, experiments, running)

    def decider(self, experiments: Sequence[Experiment]) -> Decider:
        """Return what decides the next idea, compared with these experiments."""
        usual = usual_elsewhere(experiments[0].runs if experiments else ())
        return Decider(replace(self.measuring, usual=usual), self.history, experiments)

    def baseline(self) -> Proposal:
        """Return the proposal that a campaign begins with: its notebook as it is."""
        return Proposal(
            number=0,
            parent=None,
            researcher="baseline",
            idea="baseline",
            hypothesis="the notebook as the campaign found it, with the machine's profile",
            constants=self.context.baseline.constants(),
        )

    def profile(self, outcome: Outcome, experiments: Sequence[Experiment]) -> Profiled | None:
        """Profile what is kept, once for each structure, if there is a model to read it."""
        kept = outcome.decision.verdict is Verdict.KEEP
        known = profiled_before(experiments, outcome.notebook.structure())
        if self.model is None or not kept or known:
            return None
        self.heartbeat.stage(Stage.RECORDING, "profiling its steps")
        number = outcome.proposal.number
        return self.probing.profile(number, outcome.notebook, self.heartbeat.cancelled)


@contextmanager
def ready(
    history: History,
    workspace: Workspace,
    settings: Settings,
    model: Model | None,
    heartbeat: Heartbeat,
    limits: Limits,
    on_outage: Callable[[str], None],
) -> Iterator[Parts]:
    """Make the parts ready; end what they started when the campaign is left.

    `on_outage` is told why the language model can't be asked, once an outage.

    Raises:
        KitError: the campaign can't start here; the message says what to do.
    """
    if model:
        model.check()
    context = _make_ready(history, workspace, settings)
    meter = Meter(workspace.usage, limits, model.research.prices if model else None)
    pool = LocalPool(context.site(workspace, workspace.runs))
    probing = Probing(context, workspace, pool)
    around = Surroundings(
        history,
        workspace,
        settings,
        context.machine,
        context.info,
        probing.probe,
        probing.made_for,
    )
    turns = find_turns(around, meter, model, on_outage)
    with closing(turns), closing(pool), closing(probing):
        measuring = Measuring(context, workspace, heartbeat)
        proposing = Proposing(turns, workspace, history)
        yield Parts(
            context, history, heartbeat, pool, measuring, proposing, probing, meter, limits, model
        )


def _make_ready(history: History, workspace: Workspace, settings: Settings) -> Context:
    history.check()
    history.repair()
    _clear_leftovers(history, workspace)
    workspace.copy_kit()
    context = find_context(workspace, history, settings)
    workspace.write_settings(settings)
    return context


def _clear_leftovers(history: History, workspace: Workspace) -> None:
    """End what a killed process left running, then remove its folders.

    Folders of runs that were over stay, if their experiment is not in git yet.
    """
    probes = workspace.probe_runs.glob("*")
    for folder in sorted([*workspace.runs.iterdir(), *probes]):
        launch.end_run(workspace.run_id(folder))
    workspace.set_damaged_aside()
    recorded = {experiment.number for experiment in history.experiments()}
    for number in workspace.under_way() & recorded:  # killed between git's record and this
        workspace.forget(number)
    workspace.clear_leftovers()
