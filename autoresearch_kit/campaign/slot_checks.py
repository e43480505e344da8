"""Check new slots: each runs the best once more, and is left out if it is unlike the others."""

import math
from collections.abc import Iterator, Sequence

from autoresearch_kit.campaign.dispatch import Dispatch, Work
from autoresearch_kit.campaign.measuring import Series
from autoresearch_kit.campaign.orders import Steps
from autoresearch_kit.campaign.parts import Parts
from autoresearch_kit.campaign.slots import Slots, why_unlike
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Arm, Experiment, best_of, latest_noise
from autoresearch_kit.verdicts.runs_by_code import runs_by_code, shared_reruns

CHECKS = 2  # re-runs of the best that a slot gets before it is left out as unlike the others


class SlotChecks:
    """Checks new slots in a campaign with these experiments, which grow meanwhile."""

    def __init__(
        self, parts: Parts, experiments: Sequence[Experiment], slots: Slots, works: Dispatch
    ) -> None:
        self._parts = parts
        self._experiments = experiments
        self._slots = slots
        self._works = works
        self._begun = 0

    def of_new(self) -> Iterator[Work]:
        """Yield the checks of new slots, to be started; before the baseline, accept all instead.

        Raises:
            KitError: all slots are left out.
        """
        for name in self._slots.unchecked():
            if name in {work.slot for work in self._works.works}:
                continue
            if (best := best_of(self._experiments)) is None:
                self._slots.accept(name)
            else:
                check = self._check(name, best)
                yield Work(best.number, "the best, to check the slot", check, name)
        self._slots.refuse_none()

    def forget(self) -> None:
        """Remove the runs by which slots were checked, and that no experiment asked for."""
        under_way = self._parts.workspace.under_way
        for number in under_way.numbers() - {each.number for each in under_way.pending()}:
            under_way.forget(number)

    def _check(self, slot: str, best: Experiment) -> Steps[None]:
        """Run the best on a slot, twice if need be, and leave it out if it is unlike the others."""
        measuring = self._parts.measuring(self._experiments)
        code = TrainNotebook.parse(self._parts.history.source(best.number))
        # each check has seeds of its own, whether or not the runs of earlier ones are in git
        first = shared_reruns(self._experiments, best.number) + CHECKS * self._begun
        self._begun += 1
        known = latest_noise(self._experiments)
        others = self._slots.of_usable(runs_by_code(self._experiments)[best.number])
        name, why = f"check-{slot.replace('/', '-')}", ""
        series = Series(best.number, Arm.BEST, code, best.number, name, first, slot)
        for index in range(CHECKS):
            settled = yield from measuring.measure(series, index)
            why = why_unlike(settled.run, others, known.sigma if known else math.inf)
            if not why:
                break
            self._parts.workspace.under_way.set_aside(settled.chosen, why)
        if why:
            self._slots.leave_out(slot, why)
        else:
            self._slots.accept(slot)
