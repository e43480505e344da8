"""An experiment that is being run, seen from outside."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from autoresearch_kit.execution import handover
from autoresearch_kit.execution.live import Curve, LiveRun, Point, read_live, thinned
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.machine.gpu import gpu_use
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.changes import NotebookDiff, cell_diff
from autoresearch_kit.records import Proposal, SlotUse, Stage, State

STAGES = {"start": "starting", "submit": "scoring"}
"""Words for the stages of a run other than training."""


@dataclass(frozen=True)
class UnderWay:
    """An experiment under way: its proposal, the stage of its run, and its loss curve so far.

    `budget` is in training seconds, as is `trained`, those so far; where the notebook logs nothing,
    they are of the wall-clock. `memory_mb` is the memory of all the campaign's processes on
    this machine. `gpu` describes the GPU's use in words, empty without a GPU. `diff` is what the
    proposal changed. `slot` names the slot that runs it, where there are several. `remote`: that is
    on another machine, so that there is no loss curve until the run is over.
    """

    proposal: Proposal
    stage: str
    budget: float
    trained: float
    curve: tuple[Point, ...]
    memory_mb: float
    gpu: str
    diff: NotebookDiff
    slot: str = ""
    remote: bool = False


class RunWatcher:
    """Follows the experiments under way, and reads only what is new of a growing loss curve."""

    def __init__(self, workspace: Workspace, history: History) -> None:
        self._workspace = workspace
        self._history = history
        self._curve = Curve(Path())
        self._diff_of: tuple[int, int, str] = (-1, 0, "")
        self._diff = NotebookDiff()

    def look(self, chosen: int | None = None) -> UnderWay | None:
        """Return the experiment `chosen`, by default the last begun, or None while none runs.

        One that is no longer under way is not followed, but the last begun instead.
        """
        state = self._workspace.state()
        if state is None or not self._workspace.running():
            return None
        use = _followed(state, chosen) if len(state.slots) > 1 else None
        number = use.number if use else state.number
        folder = use.slot.folder if use else state.run_folder
        pending = {proposal.number: proposal for proposal in self._workspace.under_way.pending()}
        if (proposal := pending.get(number)) is None or not (use or folder):
            return None
        settings = self._workspace.settings()
        trains = use or state.stage is Stage.RUNNING
        live = read_live(Path(folder)) if trains and folder else None
        curve = self._read_curve(Path(folder)) if folder else ()
        return UnderWay(
            proposal=proposal,
            stage=live.stage if live else str(state.stage),
            budget=settings.train_seconds if settings else 0.0,
            trained=_trained(live, curve),
            curve=curve,
            memory_mb=_memory_mb(state.pid),
            gpu=gpu_use(),
            diff=self._read_diff(folder, proposal),
            slot=use.slot.name if use else "",
            remote=not folder,
        )

    def _read_curve(self, folder: Path) -> tuple[Point, ...]:
        path = folder / handover.WORK_FOLDER / handover.METRICS_FILE
        if self._curve.path != path:
            self._curve = Curve(path)
        self._curve.read()
        return thinned(self._curve.points)

    def _read_diff(self, folder: str, proposal: Proposal) -> NotebookDiff:
        """Return what the proposal changed, by the notebook that is run where that is here."""
        which = proposal.number, len(proposal.attempts), folder
        if self._diff_of == which:
            return self._diff
        source = Path(folder) / handover.INPUT_FILE
        if proposal.parent is None or (folder and not source.exists()):
            return NotebookDiff()
        parent = TrainNotebook.parse(self._history.source(proposal.parent))
        if folder:
            run = TrainNotebook.read(source)
        else:
            run = parent.apply(proposal.edits, proposal.constants)
        self._diff_of, self._diff = which, cell_diff(parent, run)
        return self._diff


def _followed(state: State, chosen: int | None) -> SlotUse | None:
    """Return the slot that runs the experiment `chosen`, else the last begun, else the latest run.

    Of several slots it is one on this machine, if there is any, and of those the latest to begin.
    """
    busy = [use for use in state.slots if use.number >= 0]
    numbers = {use.number for use in busy}
    wanted = next((number for number in (chosen, state.number) if number in numbers), None)
    own = [use for use in busy if wanted is None or use.number == wanted]
    return max(own, key=lambda use: (bool(use.slot.folder), use.since), default=None)


def _trained(live: LiveRun | None, curve: Sequence[Point]) -> float:
    """Return the training seconds so far: of its last loss, else since it began to train."""
    if curve:
        return curve[-1].seconds
    return time.time() - live.since if live and live.stage == handover.TRAINS else 0.0


def _memory_mb(pid: int) -> float:
    """Return the memory of all processes that a campaign started; shared pages count twice."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.Error):  # it ended between the two looks
                total += child.memory_info().rss
    return total / MEGABYTE
