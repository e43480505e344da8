"""One proposal, tried: its notebook is made, run and scored; a bug goes back to be mended."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_kit.errors import EditError, KitError
from autoresearch_kit.execution import crash_report, handover, launch
from autoresearch_kit.execution.untrusted import read_untrusted
from autoresearch_kit.ground import Ground
from autoresearch_kit.history import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.pulse import Pulse
from autoresearch_kit.records import Attempt, Proposal, Reason, Run, RunSpec
from autoresearch_kit.workspace import Workspace

logger = logging.getLogger(__name__)

METRICS_LIMIT = 1_000_000
"""Bytes of a loss curve that git keeps; they come out of unreviewed code."""

REPAIRS = 2
"""How often an idea may crash on a bug and be mended."""

BUGS = (
    Reason.ERROR,
    Reason.EXITED,
    Reason.NO_SUBMISSION,
    Reason.UNPICKLABLE,
    Reason.BAD_SUBMISSION,
)
"""Crashes whose cause is the code, not its appetite for memory or time, nor what it learnt."""

Repair = Callable[[Proposal], Proposal | None]


@dataclass(frozen=True)
class Tried:
    """What came of a proposal. Without a `run`, `problem` says why there was nothing to run.

    `notebook` is then that of its parent. The proposal has the attempts that were mended.
    """

    proposal: Proposal
    notebook: TrainNotebook
    run: Run | None
    problem: str = ""


@dataclass(frozen=True)
class Bench:
    """Where proposals are tried."""

    ground: Ground
    workspace: Workspace
    history: History
    pulse: Pulse

    def try_out(self, proposal: Proposal, repair: Repair) -> Tried:
        """Run and score a proposal; while it crashes on a bug, have it mended and run again.

        Raises:
            Cancelled: a person asked to stop at once; the proposal stays written down.
            KitError: the kit failed twice in a row; so does it then.
        """
        parent = self._parent(proposal)
        if proposal.failure:
            return Tried(proposal, parent, None, proposal.failure)
        while True:
            try:
                notebook = self._edited(parent, proposal)
            except EditError as error:
                return Tried(proposal, parent, None, str(error))
            run, folder = self._run(proposal, notebook)
            mended = self._mended(proposal, run, folder, repair)
            if mended is None:
                return Tried(proposal, notebook, run)
            proposal = mended
            self.workspace.write_pending(proposal)

    def files(self, number: int) -> dict[str, bytes]:
        """What git keeps of experiment `number`'s last run; nothing if there was none."""
        folders = self.folders(number)
        if not folders:
            return {}
        files = {handover.RECORDED_FILE: (folders[-1] / handover.EXECUTED_FILE).read_bytes()}
        metrics = folders[-1] / handover.WORK_FOLDER / handover.METRICS_FILE
        if metrics.exists():
            files[handover.METRICS_FILE] = read_untrusted(metrics, METRICS_LIMIT)
        return files

    def folders(self, number: int) -> list[Path]:
        """The folders of experiment `number`'s runs, in order."""
        return sorted(self.workspace.runs.glob(f"{number:04d}-*"))

    def _parent(self, proposal: Proposal) -> TrainNotebook:
        if proposal.parent is None:
            return self.ground.baseline
        return TrainNotebook.parse(self.history.source(proposal.parent))

    def _edited(self, parent: TrainNotebook, proposal: Proposal) -> TrainNotebook:
        if proposal.parent is None:
            return parent
        edited = parent.apply(proposal.edits, proposal.constants).relocked(self.ground.baseline)
        edited.check(parent)
        return edited

    def _mended(
        self, proposal: Proposal, run: Run, folder: Path, repair: Repair
    ) -> Proposal | None:
        """The proposal with its bug mended, if it was one and that is not tried too often."""
        if run.failure not in BUGS or len(proposal.attempts) >= REPAIRS:
            return None
        traceback = crash_report.last_error(folder / handover.EXECUTED_FILE)
        attempt = Attempt(proposal.edits, proposal.constants, run, traceback)
        self.pulse.mending(run.detail)
        return repair(replace(proposal, attempts=(*proposal.attempts, attempt)))

    def _run(self, proposal: Proposal, notebook: TrainNotebook) -> tuple[Run, Path]:
        """Run and score the notebook. A run that the kit itself failed is repeated once.

        Raises:
            KitError: the kit failed twice in a row; the proposal stays written down.
        """
        for attempt in (1, 2):
            spec = self._spec(proposal, notebook, 2 * len(proposal.attempts) + attempt)
            self.pulse.running(str(spec.folder))
            run = launch.execute(spec, cancelled=self.pulse.cancelled)
            if run.failure is not Reason.KIT_FAILED:
                return run, spec.folder
            logger.warning("experiment %d, attempt %d: %s", proposal.number, attempt, run.detail)
        raise KitError(f"experiment {proposal.number} could not be run: {run.detail}")

    def _spec(self, proposal: Proposal, notebook: TrainNotebook, attempt: int) -> RunSpec:
        folder = self.workspace.runs / f"{proposal.number:04d}-{attempt}"
        folder.mkdir()
        source = folder / handover.INPUT_FILE
        source.write_text(notebook.text(), encoding="utf-8")
        settings = self.ground.settings
        return RunSpec(
            run_id=self.workspace.run_id(folder),
            folder=folder,
            notebook=source,
            dataset=self.ground.dataset,
            kit=self.workspace.kit,
            compile_cache=self.workspace.compile_cache,
            seed=_seed(self.workspace.tag, proposal.number),
            train_seconds=settings.train_seconds,
            wall_seconds=settings.wall_seconds,
            compile_seconds=settings.compile_seconds,
            memory_mb=settings.memory_mb,
            sandbox=self.ground.sandbox,
        )


def _seed(tag: str, number: int) -> int:
    """A seed of the kit's own choosing, so that no edit can fix its luck."""
    return int.from_bytes(hashlib.sha256(f"{tag}/{number}".encode()).digest()[:4])
