"""The loop: propose, run, score, decide, record; and again, until a limit or a person ends it."""

import hashlib
import logging
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import autoresearch_kit
from autoresearch_kit import decide
from autoresearch_kit.decide import Decision
from autoresearch_kit.errors import Cancelled, EditError, KitError
from autoresearch_kit.execution import handover, launch, reap
from autoresearch_kit.execution.untrusted import read_untrusted
from autoresearch_kit.ground import Ground, find_ground
from autoresearch_kit.history import History, find_root
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.pulse import Pulse
from autoresearch_kit.records import (
    Experiment,
    Limits,
    Proposal,
    Reason,
    Run,
    RunSpec,
    Settings,
    Stage,
    Verdict,
)
from autoresearch_kit.researchers import View, find_researcher
from autoresearch_kit.settling import Wishes, settle
from autoresearch_kit.workspace import Workspace

logger = logging.getLogger(__name__)

NO_LIMITS = Limits()

METRICS_LIMIT = 1_000_000
"""Bytes of a loss curve that git keeps; they come out of unreviewed code."""


class Campaign:
    """The loop over experiments under `tag`, in the project at `root` or of the current folder.

    Making one runs nothing. `run()` is a generator of experiments that goes on where the campaign
    was, however its last process ended; `settings` are what it was started with, or the defaults.

        for experiment in Campaign("night").run(Limits(experiments=12)):
            print(experiment.proposal.idea, experiment.verdict)
    """

    def __init__(
        self, tag: str, settings: Settings | None = None, *, root: Path | None = None
    ) -> None:
        self.root = root or find_root(Path.cwd())
        self.tag = tag
        self.settings = settings or settle(self.root, tag, Wishes())
        self.history = History(self.root, tag)
        self.workspace = Workspace(self.root, tag)

    def run(self, limits: Limits = NO_LIMITS) -> Generator[Experiment]:
        """Try experiments, one after the other, each yielded once git has it.

        Raises:
            BusyError: another process is running this campaign.
            KitError: the campaign can't start or can't go on; whatever it earned is in git.
        """
        self.workspace.create()
        with self.workspace.lock():
            pulse = Pulse(self.workspace, limits)
            try:
                yield from self._experiments(pulse, limits)
            except GeneratorExit:
                pulse.stage(Stage.ENDED, "left by its caller; the next start goes on")
                raise
            except Cancelled:
                pulse.stage(Stage.ENDED, "stopped at once; the experiment under way starts again")
            except BaseException as error:
                pulse.stage(Stage.FAILED, str(error) or type(error).__name__)
                raise
            else:
                pulse.stage(Stage.ENDED, "done")

    def _experiments(self, pulse: Pulse, limits: Limits) -> Generator[Experiment]:
        ground = self._start()
        experiments = self.history.experiments()
        while self._goes_on(len(experiments), pulse, limits):
            experiment = self._experiment(ground, experiments, pulse)
            experiments.append(experiment)
            pulse.best(_best_score(experiments))
            yield experiment

    def _experiment(
        self, ground: Ground, experiments: list[Experiment], pulse: Pulse
    ) -> Experiment:
        started = _now()
        pulse.stage(Stage.PROPOSING)
        proposal = self._propose(ground, experiments)
        pulse.trying(proposal.number, proposal.idea, _best_score(experiments))
        parent = self._parent(ground, proposal)
        runs: tuple[Run, ...] = ()
        try:
            notebook = self._edited(ground, parent, proposal)
        except EditError as error:
            notebook = parent
            decision = Decision(Verdict.CRASH, Reason.INVALID_EDIT, str(error))
        else:
            runs = (self._run(ground, proposal, notebook, pulse),)
            decision = self._decide(runs, notebook, experiments)
        pulse.stage(Stage.RECORDING)
        experiment = self._describe(ground, proposal, notebook, runs, decision, started)
        self._record(experiment, notebook)
        return experiment

    def _start(self) -> Ground:
        self.history.check()
        self.history.repair()
        self._clear_leftovers()
        self.workspace.copy_kit()
        ground = find_ground(self.workspace, self.history, self.settings)
        self.workspace.write_settings(self.settings)
        return ground

    def _clear_leftovers(self) -> None:
        """End whatever a process that was killed left running, then remove its folders."""
        for folder in sorted(self.workspace.runs.iterdir()):
            reap.reap(self.workspace.run_id(folder))
        self.workspace.clear_runs()

    def _goes_on(self, done: int, pulse: Pulse, limits: Limits) -> bool:
        if limits.experiments is not None and done > limits.experiments:
            return False
        if limits.hours is not None and pulse.seconds > limits.hours * 3600:
            return False
        return not pulse.told_to_stop()

    def _propose(self, ground: Ground, experiments: list[Experiment]) -> Proposal:
        """The proposal written down before, if it was not recorded yet; else a new one."""
        pending = self.workspace.pending()
        if pending is not None and pending.number == len(experiments):
            return pending
        best = _best(experiments)
        if best is None:
            proposal = _baseline(ground)
        else:
            view = self._view(best, experiments)
            proposal = find_researcher(self.settings.researcher).propose(view)
        self.workspace.write_pending(proposal)
        return proposal

    def _view(self, best: Experiment, experiments: list[Experiment]) -> View:
        notebook = TrainNotebook.parse(self.history.source(best.number))
        return View(self.tag, len(experiments), best.number, notebook, tuple(experiments))

    def _parent(self, ground: Ground, proposal: Proposal) -> TrainNotebook:
        if proposal.parent is None:
            return ground.baseline
        return TrainNotebook.parse(self.history.source(proposal.parent))

    def _edited(self, ground: Ground, parent: TrainNotebook, proposal: Proposal) -> TrainNotebook:
        if proposal.parent is None:
            return parent
        edited = parent.apply(proposal.edits, proposal.constants).relocked(ground.baseline)
        edited.check(parent)
        return edited

    def _run(
        self, ground: Ground, proposal: Proposal, notebook: TrainNotebook, pulse: Pulse
    ) -> Run:
        """Run and score the notebook. A run that the kit itself failed is repeated once.

        Raises:
            KitError: the kit failed twice in a row; the proposal stays written down.
        """
        for attempt in (1, 2):
            spec = self._spec(ground, proposal, notebook, attempt)
            pulse.running(str(spec.folder))
            run = launch.execute(spec, cancelled=pulse.cancelled)
            if run.failure is not Reason.KIT_FAILED:
                return run
            logger.warning("experiment %d, attempt %d: %s", proposal.number, attempt, run.detail)
        raise KitError(f"experiment {proposal.number} could not be run: {run.detail}")

    def _spec(
        self, ground: Ground, proposal: Proposal, notebook: TrainNotebook, attempt: int
    ) -> RunSpec:
        folder = self.workspace.runs / f"{proposal.number:04d}-{attempt}"
        folder.mkdir()
        source = folder / "input.ipynb"
        source.write_text(notebook.text(), encoding="utf-8")
        return RunSpec(
            run_id=self.workspace.run_id(folder),
            folder=folder,
            notebook=source,
            dataset=ground.dataset,
            kit=self.workspace.kit,
            compile_cache=self.workspace.compile_cache,
            seed=_seed(self.tag, proposal.number),
            train_seconds=self.settings.train_seconds,
            wall_seconds=self.settings.wall_seconds,
            compile_seconds=self.settings.compile_seconds,
            memory_mb=self.settings.memory_mb,
            sandbox=ground.sandbox,
        )

    def _decide(
        self, runs: tuple[Run, ...], notebook: TrainNotebook, experiments: list[Experiment]
    ) -> Decision:
        run = runs[0]
        if run.score is None:
            return Decision(Verdict.CRASH, run.failure or Reason.KIT_FAILED, run.detail)
        best = _best(experiments)
        if best is None or best.val_bpb is None:
            return Decision(Verdict.KEEP, Reason.BASELINE, "held against all that follow")
        return decide.decide(run.score.value, notebook.nodes(), best.val_bpb, best.nodes)

    def _describe(
        self,
        ground: Ground,
        proposal: Proposal,
        notebook: TrainNotebook,
        runs: tuple[Run, ...],
        decision: Decision,
        started: str,
    ) -> Experiment:
        scores = [run.score.value for run in runs if run.score]
        return Experiment(
            tag=self.tag,
            proposal=proposal,
            verdict=decision.verdict,
            reason=decision.reason,
            detail=decision.detail,
            runs=runs,
            val_bpb=sum(scores) / len(scores) if scores else None,
            nodes=notebook.nodes(),
            constants=notebook.constants(),
            structure=notebook.structure(),
            fingerprint=ground.fingerprint,
            settings=self.settings,
            kit_version=autoresearch_kit.__version__,
            started=started,
            finished=_now(),
        )

    def _record(self, experiment: Experiment, notebook: TrainNotebook) -> None:
        """Give the experiment to git; from then on it exists. A baseline must have a score.

        Raises:
            KitError: the baseline crashed, so there is nothing to hold experiments against.
        """
        folders = sorted(self.workspace.runs.glob(f"{experiment.number:04d}-*"))
        if experiment.number == 0 and not experiment.kept:
            executed = folders[-1] / handover.EXECUTED_FILE
            raise KitError(
                f"the baseline crashed ({experiment.reason}: {experiment.detail}); mend "
                f"notebooks/train.ipynb and run again. Its output: {executed}"
            )
        files = _files(folders[-1]) if experiment.runs else {}
        self.history.append(experiment, notebook.text(), files)
        self.workspace.clear_runs()


def _files(folder: Path) -> dict[str, bytes]:
    files = {"run-1.ipynb": (folder / handover.EXECUTED_FILE).read_bytes()}
    metrics = folder / handover.WORK_FOLDER / handover.METRICS_FILE
    if metrics.exists():
        files[handover.METRICS_FILE] = read_untrusted(metrics, METRICS_LIMIT)
    return files


def _baseline(ground: Ground) -> Proposal:
    return Proposal(
        number=0,
        parent=None,
        researcher="baseline",
        idea="baseline",
        hypothesis="the notebook as the campaign found it, with the machine's profile",
        constants=ground.baseline.constants(),
    )


def _best(experiments: list[Experiment]) -> Experiment | None:
    return next((one for one in reversed(experiments) if one.kept), None)


def _best_score(experiments: list[Experiment]) -> float | None:
    best = _best(experiments)
    return best.val_bpb if best else None


def _seed(tag: str, number: int) -> int:
    """A seed of the kit's own choosing, so that no edit can fix its luck."""
    return int.from_bytes(hashlib.sha256(f"{tag}/{number}".encode()).digest()[:4])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
