"""Measures notebooks, each run once: a run that was over before a kill is not run again.

A run that the machine disturbed is repeated with its seed: at once, twice at most, and not where
the machine is no quieter then; after that once more, when it is quiet. What stays disturbed does
not count.

What needs runs is a generator: it yields the orders that it wants carried out, is sent the delivery
of each, and returns what they came to. So several ideas can be in flight.
"""

import hashlib
import logging
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from autoresearch_kit.campaign.context import Context
from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.campaign.quiet import patience, wait_until_quiet
from autoresearch_kit.errors import Cancelled, KitError
from autoresearch_kit.execution import handover, machine_probe
from autoresearch_kit.execution.pool import Delivery, Order, Pool
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.files.untrusted import read_if_plain
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Arm, Measured, Reason, Run
from autoresearch_kit.verdicts.repeats import Settled, settle
from autoresearch_kit.verdicts.validity import Repeat, never_quiet, repeat, why_invalid

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1

ATTEMPTS = 2
"""How often a run that the kit itself failed is carried out."""

T = TypeVar("T")

Steps = Generator["Order | Audit", Delivery, T]
"""Work that needs runs: it yields what is to be carried out, and is sent what came of it."""


@dataclass(frozen=True)
class Audit:
    """A run whose model is to be scored on the audit shard."""

    order: Order
    delivery: Delivery


@dataclass(frozen=True)
class Measuring:
    """Measures notebooks in one campaign.

    `usual` is the share of the cores' time that went elsewhere while the baseline trained.
    """

    context: Context
    workspace: Workspace
    heartbeat: Heartbeat
    usual: float = 0.0

    def measure(
        self,
        number: int,
        arm: Arm,
        index: int,
        notebook: TrainNotebook,
        before: Sequence[Run] = (),
    ) -> Steps[Settled]:
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
        tried = self._over(number, seed, code)
        settings, usual = self.context.settings, self._usual
        while (settled := settle(arm, tried, before, settings, usual(number, code))) is None:
            if tried:
                why = why_invalid(tried[-1].run, before, settings, usual(number, code))
                logger.warning("experiment %d: run set aside: %s", number, why)
            if repeat([each.run for each in tried]) is Repeat.WHEN_QUIET:
                self.wait_until_quiet()
            key = f"{number:04d}-{arm}-{index}-{len(tried)}"
            words = _words(arm, index, len(tried))
            delivery = yield from carry_out(order(self.context, key, notebook, seed, words))
            run = delivery.run
            if run.failure is Reason.KIT_FAILED and self._machine_failed(number, arm):
                raise KitError(f"experiment {number} could not be run: {run.detail}")
            why = why_invalid(run, before, settings, usual(number, code))
            tried.append(Measured(number, arm, seed, code, delivery.folder.name, run, why))
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
    ) -> Steps[list[Settled]]:
        """Repeat the runs of one code that the other runs show to be slow; return all in order.

        `before` are runs of it in earlier experiments. Ends where one stays disturbed.

        Raises:
            Cancelled: a person asked to stop; the runs that are over stay written down.
            KitError: the kit failed twice in a row.
        """
        found = list(settled)
        for _ in settled:  # a repeat may show that others are slow
            known = list(found)
            for place in range(len(found)):
                if any(each.disturbed for each in found):
                    return found
                others = [each.run for at, each in enumerate(found) if at != place]
                known_runs = [*before, *others]
                found[place] = yield from self.measure(number, arm, place, notebook, known_runs)
            if found == known:
                break
        return found

    def wait_until_quiet(self, disturbed: int = 0) -> None:
        """Wait until nobody else uses the machine, after so many disturbed experiments in a row.

        Raises:
            Cancelled: a person asked to stop.
        """
        settings = self.context.settings
        wait_until_quiet(
            self.heartbeat,
            settings,
            self.context.machine.gpu,
            usual=self.usual,
            seconds=patience(settings.train_seconds, disturbed),
        )

    def _usual(self, number: int, code: str) -> float:
        """Return the share of the cores that always goes elsewhere.

        While the baseline is tried, all tries of its first run say it, once these are over.
        """
        if number:
            return self.usual
        first = _seed(self.workspace.tag, 0, Arm.CHALLENGER, 0)
        runs = [each.run for each in self._over(number, first, code)]
        over = repeat(runs) is Repeat.NO_MORE
        return never_quiet(runs, self.context.settings) if over else 0.0

    def audited(self, settled: Settled, notebook: TrainNotebook) -> Steps[Settled]:
        """Return the runs with the model's score on the audit shard, if that can be measured."""
        counts = settled.counts
        key = f"{counts.number:04d}-{counts.arm}-{counts.folder}-audit"
        wanted = order(self.context, key, notebook, counts.seed)
        delivery = yield Audit(wanted, Delivery(key, settled.run, self._folder(counts)))
        return replace(settled, counts=replace(counts, run=delivery.run))

    def executed(self, measured: Measured) -> Path:
        """Return the executed notebook of a run."""
        return self._folder(measured) / handover.EXECUTED_FILE

    def files(self, named: Sequence[tuple[str, Measured]]) -> dict[str, bytes]:
        """Return what git keeps of these runs.

        Their notebooks under these names, and a loss curve.
        """
        files = {name: self.executed(measured).read_bytes() for name, measured in named}
        metrics = self._folder(named[0][1]) / handover.WORK_FOLDER / handover.METRICS_FILE
        if lines := read_if_plain(metrics, handover.METRICS_BYTES):
            files[handover.METRICS_FILE] = lines
        return files

    def _over(self, number: int, seed: int, code: str) -> list[Measured]:
        """Return the experiment's runs with this seed and code that were over before."""
        return [
            each
            for each in self.workspace.measured(number)
            if (each.seed, each.code) == (seed, code) and self._folder(each).is_dir()
        ]

    def _machine_failed(self, number: int, arm: Arm) -> bool:
        """Return whether a failure of the kit was the machine's, not that of the code to be run."""
        if number == 0 or arm is Arm.BEST:
            return True
        found, level = self.context.machine, self.context.sandbox
        gone = found.gpu and machine_probe.difference(
            found, machine_probe.probe_inside(found.gpu, level)
        )
        return bool(gone)

    def _folder(self, measured: Measured) -> Path:
        return self.workspace.runs / measured.folder


def order(context: Context, key: str, notebook: TrainNotebook, seed: int, words: str = "") -> Order:
    """Return the order of a run under the campaign's settings."""
    settings = context.settings
    return Order(
        key=key,
        notebook=notebook.text(),
        seed=seed,
        dataset=context.data,
        kit=context.kit,
        clock=settings.clock,
        train_seconds=settings.train_seconds,
        wall_seconds=settings.wall_seconds,
        compile_seconds=settings.compile_seconds,
        memory_mb=settings.memory_mb,
        gpu_memory_mb=settings.gpu_memory_mb,
        words=words,
    )


def carry_out(wanted: Order) -> Steps[Delivery]:
    """Have a run carried out; a run that the kit itself failed is repeated, once."""
    for attempt in range(1, ATTEMPTS + 1):
        delivery = yield replace(wanted, key=f"{wanted.key}-{attempt}")
        if delivery.run.failure is not Reason.KIT_FAILED:
            break
        logger.warning("run %s, attempt %d: %s", wanted.key, attempt, delivery.run.detail)
        if attempt < ATTEMPTS:
            remove_tree(delivery.folder)
    return delivery


def submit(wanted: "Order | Audit", pool: Pool, heartbeat: Heartbeat) -> str:
    """Submit what is wanted to the pool, and say so to whoever watches; return its key."""
    if isinstance(wanted, Audit):
        pool.submit_audit(wanted.order, wanted.delivery)
        return wanted.order.key
    heartbeat.running(str(pool.submit(wanted)), wanted.words)
    return wanted.key


def wait_for(pool: Pool, heartbeat: Heartbeat, keys: Sequence[str]) -> Sequence[Delivery]:
    """Wait until at least one run is over, and show meanwhile that the campaign lives.

    Raises:
        Cancelled: a person asked to stop at once; all runs are killed.
    """
    while not (over := pool.wait(POLL_SECONDS)):
        if heartbeat.cancelled():
            for key in keys:
                pool.cancel(key)
    return over


def drive(steps: Steps[T], pool: Pool, heartbeat: Heartbeat) -> T:
    """Carry out what `steps` want, one after the other; return what they come to.

    Raises:
        Cancelled: a person asked to stop at once; all runs are killed.
        KitError: a run can't be carried out.
    """
    try:
        wanted = next(steps)
        while True:
            if heartbeat.cancelled():
                raise Cancelled("stopped before the next run")
            (delivery,) = wait_for(pool, heartbeat, [submit(wanted, pool, heartbeat)])
            wanted = steps.send(delivery)
    except StopIteration as ended:
        result: T = ended.value
        return result


def _words(arm: Arm, index: int, again: int) -> str:
    """Name the run for whoever watches; empty for an idea's first."""
    if again:
        return "again, since the machine was busy"
    if arm is Arm.BEST:
        return f"the best once more ({index + 1})"
    return f"seed {index + 1}" if index else ""


def _code(notebook: TrainNotebook) -> str:
    """Return a short digest of the notebook, by which runs of the same code are found."""
    return hashlib.sha256(notebook.text().encode()).hexdigest()[:12]


def _seed(tag: str, number: int, arm: Arm, index: int) -> int:
    """Return a seed of the kit's own choosing, so that no edit can fix its luck."""
    return int.from_bytes(hashlib.sha256(f"{tag}/{number}/{arm}/{index}".encode()).digest()[:4])
