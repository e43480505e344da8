"""Measures notebooks, each run once: a run that was over before a kill is not run again.

A run that the machine disturbed is repeated with its seed, as `verdicts.repeats` says.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_kit.campaign.context import Context
from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.campaign.orders import Steps, carry_out, order
from autoresearch_kit.campaign.quiet import wait_until_quiet
from autoresearch_kit.errors import KitError
from autoresearch_kit.execution import machine_probe
from autoresearch_kit.execution.pool import Delivery
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Arm, Measured, Reason, Run
from autoresearch_kit.verdicts.repeats import Repeat, Settled, repeat, settle
from autoresearch_kit.verdicts.validity import never_quiet, why_invalid

logger = logging.getLogger(__name__)


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
        may take several runs, and some minutes of waiting, where the machine is disturbed. A run
        that the kit failed twice is a crash of the idea: its code may have brought that about.

        Raises:
            Cancelled: a person asked to stop; the runs that are over stay written down.
            KitError: the kit failed twice in a row at nobody's edit (the baseline, or the best once
                more), or the GPU is gone.
        """
        seed = _seed(self.workspace.tag, number, arm, index)
        code = hashlib.sha256(notebook.text().encode()).hexdigest()[:12]
        tried, settings = self._over(number, seed, code), self.context.settings
        while True:
            usual = self.usual if number else self._usual_of_baseline(code)
            if (settled := settle(arm, tried, before, settings, usual)) is not None:
                break
            if tried:
                why = why_invalid(tried[-1].run, before, settings, usual)
                logger.warning("experiment %d: run set aside: %s", number, why)
            if repeat([each.run for each in tried]) is Repeat.WHEN_QUIET:
                self.wait_until_quiet()
            key = f"{number:04d}-{arm}-{index}-{len(tried)}"
            words = _words(arm, index, len(tried))
            delivery = yield from carry_out(order(self.context, key, notebook, seed, words))
            run = delivery.run
            if run.failure is Reason.KIT_FAILED and self._machine_failed(number, arm):
                raise KitError(f"experiment {number} could not be run: {run.detail}")
            why = why_invalid(run, before, settings, usual)
            tried.append(Measured(number, arm, seed, code, delivery.folder.name, run, why))
            self.workspace.add_measured(tried[-1])
        if settled.disturbed:
            logger.warning("experiment %d: a run stays disturbed: %s", number, settled.disturbed)
        return settled

    def repeat_slow(
        self,
        number: int,
        arm: Arm,
        seeds: Sequence[Settled],
        notebook: TrainNotebook,
        before: Sequence[Run] = (),
    ) -> Steps[list[Settled]]:
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
                runs = [*before, *others]
                settled[index] = yield from self.measure(number, arm, index, notebook, runs)
            if settled == known:
                break
        return settled

    def wait_until_quiet(self, disturbed: int = 0) -> None:
        """Wait until nobody else uses the machine, after so many disturbed experiments in a row."""
        context = self.context
        wait_until_quiet(self.heartbeat, context.settings, context.devices, self.usual, disturbed)

    def audit(self, seed: Settled, notebook: TrainNotebook) -> Steps[Settled]:
        """Return the runs with the model's score on the audit shard, if that can be measured."""
        chosen = seed.chosen
        key = f"{chosen.number:04d}-{chosen.arm}-{chosen.folder}-audit"
        run = Delivery(key, seed.run, self._folder(chosen), seed.run.slot)
        wanted = order(self.context, key, notebook, chosen.seed)
        delivery = yield replace(wanted, audits=run)
        return replace(seed, chosen=replace(chosen, run=delivery.run))

    def _usual_of_baseline(self, code: str) -> float:
        """Return the share of the cores' time that always goes elsewhere here, for the baseline.

        Once all tries of its first run are over, these say it.
        """
        first = _seed(self.workspace.tag, 0, Arm.CHALLENGER, 0)
        runs = [each.run for each in self._over(0, first, code)]
        over = repeat(runs) is Repeat.NO_MORE
        return never_quiet(runs, self.context.settings) if over else 0.0

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
        machine, level = self.context.machine, self.context.site.sandbox
        gone = machine.gpu and machine_probe.difference(
            machine, machine_probe.probe_inside(machine.gpu, level)
        )
        return bool(gone)

    def _folder(self, measured: Measured) -> Path:
        return self.workspace.runs / measured.folder


def _words(arm: Arm, index: int, again: int) -> str:
    """Name the run for whoever watches; empty for an idea's first."""
    if again:
        return "again, since the machine was busy"
    if arm is Arm.BEST:
        return f"the best once more ({index + 1})"
    return f"seed {index + 1}" if index else ""


def _seed(tag: str, number: int, arm: Arm, index: int) -> int:
    """Return a seed of the kit's own choosing, so that no edit can fix its luck."""
    return int.from_bytes(hashlib.sha256(f"{tag}/{number}/{arm}/{index}".encode()).digest()[:4])
