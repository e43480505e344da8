"""The experiment that is being run, seen from outside."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from autoresearch_kit.execution import handover
from autoresearch_kit.execution.live import Curve, Point, read_live, thinned
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.machine.gpu import gpu_use
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.diff import NotebookDiff, cell_diff
from autoresearch_kit.records import Proposal, Stage


@dataclass(frozen=True)
class UnderWay:
    """The experiment under way: its proposal, the stage of its run, and its loss curve so far.

    `budget` is in training seconds. `memory_mb` is the memory of all its processes. `gpu` describes
    the GPU's use in words, empty without a GPU. `diff` is what the proposal changed.
    """

    proposal: Proposal
    stage: str
    budget: float
    curve: tuple[Point, ...]
    memory_mb: float
    gpu: str
    diff: NotebookDiff

    @property
    def trained(self) -> float:
        """Return the training seconds so far."""
        return self.curve[-1].seconds if self.curve else 0.0


class RunWatcher:
    """Follows the experiments under way, and reads only what is new of a growing loss curve."""

    def __init__(self, workspace: Workspace, history: History) -> None:
        self._workspace = workspace
        self._history = history
        self._curve = Curve(Path())
        self._diff = (Path(), NotebookDiff())

    def look(self) -> UnderWay | None:
        """Return the experiment under way, or None while none is."""
        state = self._workspace.state()
        if state is None or not state.run_folder or not self._workspace.running():
            return None
        pending = {proposal.number: proposal for proposal in self._workspace.pending()}
        if (proposal := pending.get(state.number)) is None:
            return None
        folder, settings = Path(state.run_folder), self._workspace.settings()
        return UnderWay(
            proposal=proposal,
            stage=read_live(folder).stage if state.stage is Stage.RUNNING else state.stage,
            budget=settings.train_seconds if settings else 0.0,
            curve=self._read_curve(folder),
            memory_mb=_memory_mb(state.pid),
            gpu=gpu_use(),
            diff=self._read_diff(folder, proposal),
        )

    def _read_curve(self, folder: Path) -> tuple[Point, ...]:
        path = folder / handover.WORK_FOLDER / handover.METRICS_FILE
        if self._curve.path != path:
            self._curve = Curve(path)
        self._curve.read()
        return thinned(self._curve.points)

    def _read_diff(self, folder: Path, proposal: Proposal) -> NotebookDiff:
        source = folder / handover.INPUT_FILE
        if self._diff[0] != source and proposal.parent is not None and source.exists():
            parent = TrainNotebook.parse(self._history.source(proposal.parent))
            self._diff = (source, cell_diff(parent, TrainNotebook.read(source)))
        return self._diff[1] if self._diff[0] == source else NotebookDiff()


def _memory_mb(pid: int) -> float:
    """Return the memory of all processes that a campaign started; shared pages count twice."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.Error):  # it ended between the two looks
                total += child.memory_info().rss
    return total / MEGABYTE
