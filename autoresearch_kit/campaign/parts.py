"""The parts of a campaign that the loop works with, opened when its process starts."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from autoresearch_kit.campaign.context import Context
from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.campaign.measuring import Measuring
from autoresearch_kit.campaign.pools import open_pool
from autoresearch_kit.campaign.probing import Probing
from autoresearch_kit.campaign.proposing import Proposing
from autoresearch_kit.execution import launch
from autoresearch_kit.execution.local import LocalPool
from autoresearch_kit.execution.pool import Pool
from autoresearch_kit.files import record_files
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Experiment, Limits, Proposal, Settings
from autoresearch_kit.researchers import Model, Surroundings, View, find_turns, view_of
from autoresearch_kit.researchers.spending import Meter
from autoresearch_kit.verdicts.validity import usual_elsewhere


@dataclass(frozen=True)
class Parts:
    """The parts of a campaign that live as long as its process."""

    context: Context
    workspace: Workspace
    history: History
    heartbeat: Heartbeat
    pool: Pool
    proposing: Proposing
    probing: Probing
    meter: Meter
    limits: Limits
    model: Model | None

    def view(
        self, experiments: Sequence[Experiment], running: Sequence[Proposal] = ()
    ) -> View | None:
        """Return what a researcher sees, while `running` are tried; None before the baseline."""
        return view_of(self.history, self.workspace, experiments, running)

    def measuring(self, experiments: Sequence[Experiment]) -> Measuring:
        """Return what measures runs that are compared with those of these experiments."""
        usual = usual_elsewhere(experiments[0].runs if experiments else ())
        return Measuring(self.context, self.workspace, self.heartbeat, usual)

    def baseline(self) -> Proposal:
        """Return the proposal that a campaign begins with: its notebook as it is."""
        profile = "" if self.context.settings.task.folder else ", with the machine's profile"
        return Proposal(
            number=0,
            parent=None,
            researcher="baseline",
            idea="baseline",
            hypothesis=f"the notebook as the campaign found it{profile}",
            constants=self.context.baseline.constants(),
        )


@contextmanager
def open_parts(
    history: History,
    workspace: Workspace,
    settings: Settings,
    model: Model | None,
    heartbeat: Heartbeat,
    limits: Limits,
    on_outage: Callable[[str], None],
) -> Iterator[Parts]:
    """Make the parts ready; end what they started when the campaign is left.

    `on_outage` is called with the reason why the language model can't be asked, once an outage.

    Raises:
        KitError: the campaign can't start here; the message says what to do.
    """
    if model:
        model.check()
    history.check()
    history.repair()
    _clear_leftovers(history, workspace)
    workspace.copy_kit()
    context, pool = open_pool(workspace, history, settings, workspace.runs, heartbeat.cancelled)
    settings = context.settings
    workspace.write_settings(settings)
    meter = Meter(workspace.usage, limits, model.research.prices if model else None)
    probing = Probing(context, workspace, pool if isinstance(pool, LocalPool) else None)
    around = Surroundings(
        history, workspace, settings, context.machine, context.info, probing.probe, probing.made_for
    )
    turns = find_turns(around, meter, model, on_outage)
    proposing = Proposing(turns, workspace, history)
    with closing(proposing), closing(pool), closing(probing):
        yield Parts(
            context, workspace, history, heartbeat, pool, proposing, probing, meter, limits, model
        )


def _clear_leftovers(history: History, workspace: Workspace) -> None:
    """End what a killed process left running, then remove its folders.

    Folders of runs that were over stay, if their experiment is not in git yet.
    """
    for folder in sorted([*workspace.runs.iterdir(), *workspace.probe_runs.glob("*")]):
        launch.end_run(workspace.run_id(folder))
    record_files.set_damaged_aside(workspace.folder)
    recorded = {experiment.number for experiment in history.experiments()}
    # killed after git's record, before this
    for number in workspace.under_way.numbers() & recorded:
        workspace.under_way.forget(number)
    workspace.clear_leftovers()
