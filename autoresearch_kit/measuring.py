"""Has notebooks run and scored, each run once: what was over before a kill is not run again.

A run that the machine disturbed is repeated, twice at most, and not where it is no quieter then;
of those the least disturbed one counts.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from autoresearch_kit.device_queue import DeviceQueue
from autoresearch_kit.errors import Cancelled, KitError
from autoresearch_kit.execution import handover, launch
from autoresearch_kit.execution.untrusted import read_untrusted
from autoresearch_kit.ground import Ground
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.pulse import Pulse
from autoresearch_kit.records import Arm, Measured, Reason, Run, RunPlace, RunSpec
from autoresearch_kit.standby import Standby
from autoresearch_kit.validity import least_disturbed, once_more, usual_elsewhere, why_invalid
from autoresearch_kit.workspace import Workspace

logger = logging.getLogger(__name__)

METRICS_LIMIT = 1_000_000
"""Bytes of a loss curve that git keeps; they come out of unreviewed code."""


@dataclass(frozen=True)
class Settled:
    """A run that counts, and those with the same seed that it was repeated for."""

    counts: Measured
    set_aside: tuple[Measured, ...] = ()

    @property
    def run(self) -> Run:
        """The one that counts."""
        return self.counts.run


@dataclass(frozen=True)
class Measuring:
    """Where runs are measured."""

    ground: Ground
    workspace: Workspace
    pulse: Pulse
    standby: Standby
    usual: float = 0.0
    """The share of the cores' time that went elsewhere in the campaign's runs so far."""

    device: DeviceQueue = field(default_factory=DeviceQueue)
    """Held while a run is trained and scored."""

    def measure(
        self,
        number: int,
        arm: Arm,
        index: int,
        notebook: TrainNotebook,
        before: Sequence[Run] = (),
    ) -> Settled:
        """Run and score a notebook for experiment `number`, with the `index`th seed of this arm.

        `before` are earlier runs of the same code, which tell how fast it should be.

        Raises:
            Cancelled: a person asked to stop at once; the runs that are over stay written down.
            KitError: the kit failed twice in a row.
        """
        seed = _seed(self.workspace.tag, number, arm, index)
        code = hashlib.sha256(notebook.text().encode()).hexdigest()[:12]
        tried = self._over(seed, code)
        while once_more(tried):
            with self.device.held(self._obey):
                run, folder = run_and_score(
                    self.ground,
                    self.workspace,
                    self.pulse,
                    self.standby,
                    notebook,
                    seed,
                    stem=self.workspace.runs / f"{number:04d}",
                    what=f"experiment {number}",
                    words=_words(arm, index, len(tried)),
                )
            usual = max(self.usual, usual_elsewhere(before))
            why = why_invalid(run, before, self.ground.settings, usual)
            if why:
                logger.warning("experiment %d: run set aside: %s", number, why)
            tried.append(Measured(number, arm, seed, code, folder.name, run, why))
            self.workspace.add_measured(tried[-1])
        counts = least_disturbed(tried)
        return Settled(counts, tuple(one for one in tried if one is not counts))

    def audited(self, settled: Settled) -> Settled:
        """The same with the score of its model on the audit shard, if that can be measured.

        Raises:
            Cancelled: a person asked to stop at once.
        """
        folder = self._folder(settled.counts)
        spec = run_spec(self.ground, self.workspace, folder, settled.counts.seed)
        with self.device.held(self._obey):
            run = launch.audit(spec, settled.run, cancelled=self.pulse.cancelled)
        return replace(settled, counts=replace(settled.counts, run=run))

    def executed(self, measured: Measured) -> Path:
        """The executed notebook of a run."""
        return self._folder(measured) / handover.EXECUTED_FILE

    def files(self, named: Sequence[tuple[str, Measured]]) -> dict[str, bytes]:
        """What git keeps of these runs: their notebooks under these names, and a loss curve."""
        files = {name: self.executed(measured).read_bytes() for name, measured in named}
        metrics = self._folder(named[0][1]) / handover.WORK_FOLDER / handover.METRICS_FILE
        if metrics.exists():
            files[handover.METRICS_FILE] = read_untrusted(metrics, METRICS_LIMIT)
        return files

    def _over(self, seed: int, code: str) -> list[Measured]:
        """The runs with this seed and code that were over before."""
        return [
            one
            for one in self.workspace.measured()
            if (one.seed, one.code) == (seed, code) and self._folder(one).is_dir()
        ]

    def _obey(self) -> None:
        if self.pulse.cancelled():
            raise Cancelled("stopped while a probe had the device")

    def _folder(self, measured: Measured) -> Path:
        return self.workspace.runs / measured.folder


def run_and_score(
    ground: Ground,
    workspace: Workspace,
    pulse: Pulse,
    standby: Standby,
    notebook: TrainNotebook,
    seed: int,
    *,
    stem: Path,
    what: str,
    words: str,
) -> tuple[Run, Path]:
    """Run and score the notebook; a run that the kit itself failed is repeated once.

    Returns the run and its folder: that of the runner that stands by, or STEM-1, or the one after
    the last of these that is there. The next runner stands by when it returns, if this run had a
    model to score. `what` names the run in messages, `words` says which it is to whoever watches.

    Raises:
        Cancelled: a person asked to stop at once.
        KitError: the kit failed twice in a row.
    """
    for attempt in (1, 2):
        waiting = standby.take()
        folder = waiting.place.folder if waiting else new_folder(stem)
        (folder / handover.INPUT_FILE).write_text(notebook.text(), encoding="utf-8")
        pulse.running(str(folder), words)
        spec = run_spec(ground, workspace, folder, seed)
        run = launch.execute(
            spec,
            waiting,
            cancelled=pulse.cancelled,
            meanwhile=lambda: standby.prepare(run_place(ground, workspace, new_folder(stem))),
        )
        if run.failure is not Reason.KIT_FAILED:
            return run, folder
        logger.warning("%s, attempt %d: %s", what, attempt, run.detail)
    raise KitError(f"{what} could not be run: {run.detail}")


def new_folder(stem: Path) -> Path:
    """Make the folder STEM-1, or the one after the last of these that is there; return it."""
    there = stem.parent.glob(f"{stem.name}-*")
    last = max((int(folder.name.rpartition("-")[2]) for folder in there), default=0)
    folder = stem.with_name(f"{stem.name}-{last + 1}")
    folder.mkdir()
    return folder


def run_place(ground: Ground, workspace: Workspace, folder: Path) -> RunPlace:
    """What a runner that is started before its turn needs to know."""
    return RunPlace(
        run_id=workspace.run_id(folder),
        folder=folder,
        dataset=ground.dataset,
        kit=workspace.kit,
        sandbox=ground.sandbox,
        waits=True,
        gpu=ground.machine.gpu,
    )


def run_spec(ground: Ground, workspace: Workspace, folder: Path, seed: int) -> RunSpec:
    """What a run needs to know of the notebook that lies in its folder."""
    settings = ground.settings
    return RunSpec(
        run_id=workspace.run_id(folder),
        folder=folder,
        dataset=ground.dataset,
        kit=workspace.kit,
        sandbox=ground.sandbox,
        waits=False,
        gpu=ground.machine.gpu,
        ahead=ground.ahead,
        notebook=folder / handover.INPUT_FILE,
        compile_cache=workspace.compile_cache,
        seed=seed,
        train_seconds=settings.train_seconds,
        wall_seconds=settings.wall_seconds,
        compile_seconds=settings.compile_seconds,
        memory_mb=settings.memory_mb,
        gpu_memory_mb=settings.gpu_memory_mb,
    )


def _words(arm: Arm, index: int, again: int) -> str:
    """Which run this is, for who watches; empty for an idea's first."""
    if again:
        return "again, since the machine was busy"
    if arm is Arm.BEST:
        return f"the best once more ({index + 1})"
    return f"seed {index + 1}" if index else ""


def _seed(tag: str, number: int, arm: Arm, index: int) -> int:
    """A seed of the kit's own choosing, so that no edit can fix its luck."""
    return int.from_bytes(hashlib.sha256(f"{tag}/{number}/{arm}/{index}".encode()).digest()[:4])
