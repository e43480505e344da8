"""Has notebooks run and scored, each run once: what was over before a kill is not run again.

A run that the machine disturbed is repeated with its seed: at once, twice at most, and not where
the machine is no quieter then; after that once more, when it is quiet. What stays disturbed does
not count.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from autoresearch_kit.campaign.context import Ground
from autoresearch_kit.campaign.heartbeat import Pulse
from autoresearch_kit.campaign.quiet import patience, wait_until_quiet
from autoresearch_kit.campaign.standby import Standby
from autoresearch_kit.errors import Cancelled, KitError
from autoresearch_kit.execution import handover, launch, machine_probe
from autoresearch_kit.execution.device_queue import DeviceQueue
from autoresearch_kit.files.untrusted import read_if_plain
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Arm, Measured, Reason, Run, RunPlace, RunSpec
from autoresearch_kit.verdicts.repeats import Settled, settle
from autoresearch_kit.verdicts.validity import Repeat, never_quiet, repeat, why_invalid

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measuring:
    """Where runs are measured."""

    ground: Ground
    workspace: Workspace
    pulse: Pulse
    standby: Standby
    usual: float = 0.0
    """The share of the cores' time that went elsewhere while the baseline trained."""

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

        `before` are other runs of the same code that count, which tell how fast it should be. It
        may take several runs, and some minutes of waiting, where the machine is disturbed.

        A run that the kit failed twice is a crash of the idea: its code may have brought that
        about.

        Raises:
            Cancelled: a person asked to stop; the runs that are over stay written down.
            KitError: the kit failed twice in a row at nobody's edit (the baseline, or the best once
                more), or the GPU is gone.
        """
        seed, code = _seed(self.workspace.tag, number, arm, index), _code(notebook)
        tried, settings, usual = self._over(seed, code), self.ground.settings, self._usual
        while (settled := settle(arm, tried, before, settings, usual(number, code))) is None:
            if tried:
                why = why_invalid(tried[-1].run, before, settings, usual(number, code))
                logger.warning("experiment %d: run set aside: %s", number, why)
            if repeat([one.run for one in tried]) is Repeat.WHEN_QUIET:
                self.wait_until_quiet()
            run, folder = self._run(number, notebook, seed, _words(arm, index, len(tried)))
            if run.failure is Reason.KIT_FAILED and self._machine_failed(number, arm):
                raise KitError(f"experiment {number} could not be run: {run.detail}")
            why = why_invalid(run, before, settings, usual(number, code))
            tried.append(Measured(number, arm, seed, code, folder.name, run, why))
            self.workspace.add_measured(tried[-1])
        if settled.disturbed:
            logger.warning("experiment %d: a run stays disturbed: %s", number, settled.disturbed)
        return settled

    def reconsidered(
        self,
        number: int,
        arm: Arm,
        settled: Sequence[Settled],
        notebook: TrainNotebook,
        before: Sequence[Run] = (),
    ) -> list[Settled]:
        """The runs of one code in order, with those that the others show to be slow run again.

        `before` are runs of it in earlier experiments. Ends where one stays disturbed.

        Raises:
            Cancelled: a person asked to stop; the runs that are over stay written down.
            KitError: the kit failed twice in a row.
        """
        found = list(settled)
        for _ in settled:  # a repeat may show that others are slow
            known = list(found)
            for place in range(len(found)):
                if any(one.disturbed for one in found):
                    return found
                others = [one.run for at, one in enumerate(found) if at != place]
                found[place] = self.measure(number, arm, place, notebook, [*before, *others])
            if found == known:
                break
        return found

    def wait_until_quiet(self, disturbed: int = 0) -> None:
        """Wait until nobody else uses the machine, after so many disturbed experiments in a row.

        Raises:
            Cancelled: a person asked to stop.
        """
        settings = self.ground.settings
        wait_until_quiet(
            self.pulse,
            settings,
            self.ground.machine.gpu,
            usual=self.usual,
            seconds=patience(settings.train_seconds, disturbed),
        )

    def _usual(self, number: int, code: str) -> float:
        """What always goes elsewhere: while the baseline is tried, by all tries of its first run,
        once these are over."""
        if number:
            return self.usual
        first = _seed(self.workspace.tag, 0, Arm.CHALLENGER, 0)
        runs = [one.run for one in self._over(first, code)]
        over = repeat(runs) is Repeat.NO_MORE
        return never_quiet(runs, self.ground.settings) if over else 0.0

    def _run(self, number: int, notebook: TrainNotebook, seed: int, words: str) -> tuple[Run, Path]:
        with self.device.held(self._obey):
            return run_and_score(
                self.ground,
                self.workspace,
                self.pulse,
                self.standby,
                notebook,
                seed,
                stem=self.workspace.runs / f"{number:04d}",
                what=f"experiment {number}",
                words=words,
            )

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
        if lines := read_if_plain(metrics, handover.METRICS_BYTES):
            files[handover.METRICS_FILE] = lines
        return files

    def _over(self, seed: int, code: str) -> list[Measured]:
        """The runs with this seed and code that were over before."""
        return [
            one
            for one in self.workspace.measured()
            if (one.seed, one.code) == (seed, code) and self._folder(one).is_dir()
        ]

    def _machine_failed(self, number: int, arm: Arm) -> bool:
        """Whether a failure of the kit was the machine's, not that of the code to be run."""
        if number == 0 or arm is Arm.BEST:
            return True
        found, level = self.ground.machine, self.ground.sandbox
        gone = found.gpu and machine_probe.difference(
            found, machine_probe.probe_inside(found.gpu, level)
        )
        return bool(gone)

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
    """Run and score the notebook; a run that the kit itself failed is repeated, once.

    Returns the run and its folder: that of the runner that stands by, or STEM-1, or the one after
    the last of these that is there. The next runner stands by when it returns, if this run had a
    model to score. `what` names the run in messages, `words` says which it is to whoever watches.

    Raises:
        Cancelled: a person asked to stop at once.
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
            break
        logger.warning("%s, attempt %d: %s", what, attempt, run.detail)
    return run, folder


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
        clock=ground.settings.clock,
        sight=ground.sight,
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
        clock=ground.settings.clock,
        sight=ground.sight,
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


def _code(notebook: TrainNotebook) -> str:
    """Which code a run is of."""
    return hashlib.sha256(notebook.text().encode()).hexdigest()[:12]


def _seed(tag: str, number: int, arm: Arm, index: int) -> int:
    """A seed of the kit's own choosing, so that no edit can fix its luck."""
    return int.from_bytes(hashlib.sha256(f"{tag}/{number}/{arm}/{index}".encode()).digest()[:4])
