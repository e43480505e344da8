"""Measures notebooks, each run once: a run that was over before a kill is not run again.

A run that the machine disturbed is repeated with its seed, as `verdicts.repeats` says. Here the
kit's own metrics are added to what a judge has measured.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from autoresearch_kit.campaign.aims import bounds_in
from autoresearch_kit.campaign.context import Context
from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.campaign.orders import Steps, carry_out, delivered, order, seed_of
from autoresearch_kit.campaign.quiet import wait_until_quiet
from autoresearch_kit.errors import KitError
from autoresearch_kit.execution import machine_probe
from autoresearch_kit.execution.pool import Delivery
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Arm, Measured, Reason, Run, Task, TaskInfo
from autoresearch_kit.verdicts.repeats import Repeat, SeedOutcome, repeat, settle
from autoresearch_kit.verdicts.validity import never_quiet, why_invalid, why_slow

logger = logging.getLogger(__name__)


SHARED_RERUNS = "again"
"""The name of runs of the best that are shared by all ideas that wait for them."""


@dataclass(frozen=True)
class Series:
    """Runs of one code, each with a seed of its own, made for the experiment `number`.

    Keys and seeds follow from `of`, an experiment's number, and `name`, which says which of its
    runs these are: those of an idea as `challenger`, of the best beside them as `best`. `first` is
    the index of the first run's seed. `slot` names the only slot that may carry them out.
    """

    number: int
    arm: Arm
    notebook: TrainNotebook
    of: int
    name: str
    first: int = 0
    slot: str = ""

    @cached_property
    def code(self) -> str:
        """Return the digest of its code."""
        return hashlib.sha256(self.notebook.text().encode()).hexdigest()[:12]

    def key(self, index: int, tried: int) -> str:
        """Return the key of a run, after so many tries with its seed."""
        return f"{self.of:04d}-{self.name}-{self.first + index}-{tried}"

    def seed(self, tag: str, index: int) -> int:
        """Return the seed of a run, which follows from what it is."""
        return seed_of(f"{tag}/{self.of}/{self.name}/{self.first + index}")


@dataclass(frozen=True)
class Measuring:
    """Measures notebooks in one campaign.

    `usual` is the share of the cores' time that went elsewhere while the baseline trained.
    """

    context: Context
    workspace: Workspace
    heartbeat: Heartbeat
    usual: float = 0.0

    def measure(self, series: Series, index: int, before: Sequence[Run] = ()) -> Steps[SeedOutcome]:
        """Run and score a notebook with the `index`th seed of this series.

        `before` are other runs of the same code that count, which tell how fast it should be. It
        may take several runs, and some minutes of waiting, where the machine is disturbed. A run
        that the kit failed twice is a crash of the idea: its code may have brought that about.

        Raises:
            Cancelled: a person asked to stop; the runs that are over stay written down.
            KitError: the kit failed twice in a row at nobody's edit (the baseline, or the best once
                more), or the GPU is gone.
        """
        number, arm, code = series.number, series.arm, self._code(series)
        seed = series.seed(self.workspace.tag, index)
        tried, settings = self._over(series, seed, code), self.context.settings
        while True:
            usual = self.usual if number else self._usual_of_baseline(series)
            if (settled := settle(arm, tried, before, settings, usual)) is not None:
                break
            if tried:
                why = why_invalid(tried[-1].run, before, settings, usual)
                logger.warning("experiment %d: run set aside: %s", number, why)
            if repeat([each.run for each in tried]) is Repeat.WHEN_QUIET:
                yield from self.wait_until_quiet()
            words = _words(arm, index, len(tried))
            wanted = order(
                self.context, series.key(index, len(tried)), series.notebook, seed, words
            )
            delivery = yield from carry_out(replace(wanted, slot=series.slot))
            task, nodes = self.context.settings.task, series.notebook.nodes()
            task = bounds_in(self.workspace, (), task)
            run = completed(delivery.run, task, nodes, baseline=not number)
            if run.failure is Reason.KIT_FAILED and self._machine_failed(number, arm):
                raise KitError(f"experiment {number} could not be run: {run.detail}")
            why = why_invalid(run, before, settings, usual)
            tried.append(Measured(number, arm, seed, code, delivery.folder.name, run, why))
            self.workspace.under_way.add_measured(tried[-1])
        if settled.disturbed:
            logger.warning("experiment %d: a run stays disturbed: %s", number, settled.disturbed)
        return settled

    def slow(self, seeds: Sequence[SeedOutcome], before: Sequence[Run] = ()) -> bool:
        """Return whether some of these runs of one code, and `before`, show another to be slow."""
        runs, settings = [seed.run for seed in seeds], self.context.settings
        return any(
            why_slow(run, [*before, *runs[:at], *runs[at + 1 :]], settings)
            for at, run in enumerate(runs)
        )

    def repeat_slow(
        self, series: Series, seeds: Sequence[SeedOutcome], before: Sequence[Run] = ()
    ) -> Steps[list[SeedOutcome]]:
        """Repeat the runs of one code that the other runs show to be slow; return all in order.

        `before` are runs of it in earlier experiments. Ends where one stays disturbed. Raises as
        `measure` does.
        """
        settled = list(seeds)
        for _ in seeds:  # a repeat may show that others are slow
            known = list(settled)
            for index in range(len(settled)):
                if any(each.disturbed for each in settled):
                    return settled
                others = [each.run for at, each in enumerate(settled) if at != index]
                settled[index] = yield from self.measure(series, index, [*before, *others])
            if settled == known:
                break
        return settled

    def wait_until_quiet(self, disturbed: int = 0) -> Steps[bool]:
        """Wait until nobody else uses the machine, after so many disturbed experiments in a row."""
        context = self.context
        return wait_until_quiet(
            self.heartbeat, context.settings, context.devices, self.usual, disturbed
        )

    def audit(self, seed: SeedOutcome, notebook: TrainNotebook) -> Steps[SeedOutcome]:
        """Return the runs with the model's score on the audit shard, if that can be measured."""
        chosen = seed.chosen
        key = f"{chosen.number:04d}-{chosen.arm}-{chosen.folder}-audit"
        run = Delivery(key, seed.run, self._folder(chosen), seed.run.slot)
        wanted = order(self.context, key, notebook, chosen.seed, "audit")
        delivery = yield from delivered(replace(wanted, slot=run.slot, audits=run))
        return replace(seed, chosen=replace(chosen, run=delivery.run))

    def _usual_of_baseline(self, series: Series) -> float:
        """Return the share of the cores' time that always goes elsewhere here, for the baseline.

        Once all tries of its first run are over, these say it.
        """
        first = series.seed(self.workspace.tag, 0)
        runs = [each.run for each in self._over(series, first, self._code(series))]
        over = repeat(runs) is Repeat.NO_MORE
        return never_quiet(runs, self.context.settings) if over else 0.0

    def _code(self, series: Series) -> str:
        """Return what names its code, and the task that measures it.

        That may be mended as long as there is no baseline: runs of before don't count then.
        """
        info = self.context.info
        if not isinstance(info, TaskInfo):
            return series.code
        return hashlib.sha256(f"{series.code} {info.digest}".encode()).hexdigest()[:12]

    def _over(self, series: Series, seed: int, code: str) -> list[Measured]:
        """Return the runs with this seed and code that were over before.

        Those that were made for another experiment, and are shared, are written down for this one.
        """
        own = self._measured(series.number, seed, code)
        if own or series.name != SHARED_RERUNS:
            return own
        for other in sorted(self.workspace.under_way.numbers() - {series.number}):
            if shared := self._measured(other, seed, code):
                for each in shared:
                    self.workspace.under_way.add_measured(replace(each, number=series.number))
                return self._measured(series.number, seed, code)
        return []

    def _measured(self, number: int, seed: int, code: str) -> list[Measured]:
        return [
            each
            for each in self.workspace.under_way.measured(number)
            if (each.seed, each.code) == (seed, code) and self._folder(each).is_dir()
        ]

    def _machine_failed(self, number: int, arm: Arm) -> bool:
        """Return whether a failure of the kit was the machine's, not that of the code to be run."""
        if number == 0 or arm is Arm.BEST:
            return True
        if not self.context.devices:  # a cluster's pool loses what a node fails
            return False
        machine, level = self.context.machine, self.context.site.sandbox
        gone = machine.gpu and machine_probe.difference(
            machine, machine_probe.probe_inside(machine.gpu, level)
        )
        return bool(gone)

    def _folder(self, measured: Measured) -> Path:
        return self.workspace.runs / measured.folder


def completed(run: Run, task: Task, nodes: int, *, baseline: bool = False) -> Run:
    """Return the run with the kit's metrics in its score, whose value is the first objective's.

    `nodes` count the syntax tree of its editable cells. A run that lacks an objective was not
    measured; nor was one of the baseline's that lacks a metric with a bound, which nothing could be
    shown to hold.
    """
    if run.score is None:
        return run
    of_run = {
        "peak_memory_mb": run.peak_memory_mb,
        "peak_gpu_mb": run.gpu_mb,
        "wall_seconds": run.wall_seconds,
        "train_seconds": run.train_seconds,
        "nodes": float(nodes),
    }
    known = {name: value for name, value in of_run.items() if value is not None}
    # a task may have a metric of its own under such a name
    values = {**known, run.score.metric: run.score.value, **run.score.values}
    asked = task.decisive if baseline else task.objectives
    lacking = [name for name in asked if name not in values]
    if lacking:
        names = ", ".join(lacking)
        detail = f"{names}: not measured here; leave it out of objectives and bounds"
        return replace(run, score=None, failure=Reason.NOT_MEASURED, detail=detail)
    first = task.objectives[0]
    return replace(run, score=replace(run.score, metric=first, value=values[first], values=values))


def _words(arm: Arm, index: int, again: int) -> str:
    """Name the run for whoever watches; empty for an idea's first."""
    if again:
        return "again, since the machine was busy"
    if arm is Arm.BEST:
        return f"the best once more ({index + 1})"
    return f"seed {index + 1}" if index else ""
