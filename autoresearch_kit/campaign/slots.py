"""The slots of a campaign's pool: which of them may be used, what each does, and its times.

A slot that is new, or comes back, first runs the best once more: what differs from its class in
speed or score would make its runs incomparable, so that it is left out.
"""

import logging
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import fmean, median

from autoresearch_kit.errors import KitError
from autoresearch_kit.execution.pool import Order, Pool
from autoresearch_kit.records import Experiment, Run, SlotUse
from autoresearch_kit.records.text import rounded
from autoresearch_kit.verdicts.robust_sigma import EXACT

logger = logging.getLogger(__name__)

GPU_SPEED, CPU_SPEED = 0.05, 0.25
"""The share by which a slot's tokens a second may differ from the median of the others. GPUs of a
model are within a few percent; a CPU's cores share caches and memory with their neighbours'."""

SIGMAS = 4.0  # the sigmas by which its score of the best may differ from their mean

AGAIN_SECONDS = 3600.0
"""The time after which a slot that was left out is checked again: what made it unlike the others
may be over, and it has nothing else to do."""

NO_EXPERIMENT = -1  # the number of the experiment of a slot that is free


class Slots:
    """The slots that there are now, by name, with their use since the campaign's process began."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._uses: dict[str, SlotUse] = {}
        self._since: dict[str, float] = {}
        self._keys: dict[str, str] = {}
        self._accepted: set[str] = set()
        self._left_out: dict[str, str] = {}
        self._left_at: dict[str, float] = {}

    def look(self) -> None:
        """Ask the pool for its slots. A slot that was lost has to be checked again."""
        there = {slot.name: slot for slot in self._pool.slots()}
        for gone in self._uses.keys() - there.keys():
            self._accepted.discard(gone)
            self._left_out.pop(gone, None)
            self._left_at.pop(gone, None)
            del self._uses[gone], self._since[gone]
            self._keys.pop(gone, None)
        for name, slot in there.items():
            if time.monotonic() - self._left_at.get(name, math.inf) > AGAIN_SECONDS:
                del self._left_out[name], self._left_at[name]
            if name not in self._uses:
                self._since[name] = time.monotonic()
                self._uses[name] = SlotUse(slot, since=time.time())
            if name in self._left_out and not slot.left_out:
                slot = replace(slot, left_out=self._left_out[name])
            if slot != self._uses[name].slot:
                self._uses[name] = replace(self._uses[name], slot=slot)
        if len(there) == 1:  # there is nothing to compare it with
            self._accepted |= there.keys()

    @property
    def names(self) -> set[str]:
        """Return the names of all slots."""
        return set(self._uses)

    def accept(self, name: str) -> None:
        """Let a slot carry out any run, if it is still there: one that comes back is checked."""
        self._accepted |= {name} & self.names

    def leave_out(self, name: str, why: str) -> None:
        """Give nothing more to a slot; `why` is for people."""
        logger.warning("slot %s is left out: %s", name, why)
        self._left_out[name], self._left_at[name] = why, time.monotonic()
        self.look()

    def refuse_none(self) -> None:
        """Check that not all slots are left out; KitError if they are, which says why."""
        whys = {use.slot.name: use.slot.left_out for use in self._uses.values()}
        if whys and all(whys.values()):
            said = "; ".join(f"{name}: {why}" for name, why in whys.items())
            raise KitError(f"no slot can be used ({said}); mend one and run again")

    def compare(self, baseline: Experiment) -> None:
        """Take the slots that ran the baseline alike for checked; the others are to be checked.

        The largest group of slots that are alike counts; of groups of one size the fastest.
        """
        if len(self._uses) == 1:
            return
        sigma = baseline.noise.sigma if baseline.noise else math.inf
        by_slot = {run.slot: run for run in baseline.runs if run.slot in self._accepted}
        groups = [
            {name for name, run in by_slot.items() if not why_unlike(run, [first], sigma)}
            for first in sorted(by_slot.values(), key=lambda run: -run.tokens_per_second)
        ]
        self._accepted = max(groups, key=len, default=set())

    def of_usable(self, runs: Sequence[Run]) -> Sequence[Run]:
        """Return the runs that usable slots carried out; all runs if none did."""
        return [run for run in runs if run.slot in self.usable()] or runs

    def usable(self) -> list[str]:
        """Return the slots that runs are given to, busy ones among them."""
        return [name for name in self._uses if name in self._accepted and self._is_in(name)]

    def free(self) -> list[str]:
        """Return the usable slots that are free."""
        return [name for name in self.usable() if self._is_free(name)]

    def unchecked(self) -> list[str]:
        """Return the free slots that have not been compared with the others yet."""
        names = [name for name in self._uses if name not in self._accepted and self._is_in(name)]
        return [name for name in names if self._is_free(name)]

    def is_free(self, name: str) -> bool:
        """Return whether this slot could begin a run now, left out or not."""
        return name in self._uses and self._is_free(name)

    def begin(self, name: str, order: Order, number: int, idea: str) -> None:
        """Note that a slot carries out an order for experiment `number`."""
        self._change(name, number=number, idea=idea, words=order.words)
        self._keys[name] = order.key

    def end(self, name: str, key: str, run: Run | None = None) -> None:
        """Note that a slot ended its order; `run` is None if the order had no result.

        A run that was audited was counted before. A slot that came back meanwhile has others.
        """
        if self._keys.get(name) != key:
            return
        if run is not None:
            use = self._uses[name]
            trained = use.training + run.training_wall_seconds
            self._uses[name] = replace(use, runs=use.runs + 1, training=trained)
        del self._keys[name]
        self._change(name, number=NO_EXPERIMENT, idea="", words="")

    def use(self, name: str) -> SlotUse:
        """Return the use of a slot."""
        return self._uses[name]

    def uses(self) -> tuple[SlotUse, ...]:
        """Return what every slot does."""
        return tuple(self._uses.values())

    def _is_in(self, name: str) -> bool:
        return not self._uses[name].slot.left_out

    def _is_free(self, name: str) -> bool:
        return name not in self._keys and not self._uses[name].slot.busy

    def _change(self, name: str, *, number: int, idea: str, words: str) -> None:
        now, use = time.monotonic(), self._uses[name]
        passed = now - self._since[name]
        if use.number == NO_EXPERIMENT:
            use = replace(use, idle=use.idle + passed)
        else:
            use = replace(use, busy=use.busy + passed)
        self._since[name] = now
        self._uses[name] = replace(use, number=number, idea=idea, words=words, since=time.time())


def why_unlike(run: Run, others: Iterable[Run], sigma: float) -> str:
    """Return why a slot's run of the best doesn't fit those of other slots; empty if it does.

    `sigma` is the noise of scores.
    """
    known = [other for other in others if other.score]
    if run.score is None:
        return f"the best fails there: {run.detail}"
    if not known:
        return ""
    usual = median(other.tokens_per_second for other in known)
    allowed = CPU_SPEED if run.gpu_mb is None else GPU_SPEED
    if abs(run.tokens_per_second - usual) > allowed * usual:
        return (
            f"the best makes {run.tokens_per_second:,.0f} tokens a second there, {usual:,.0f} "
            f"elsewhere; {allowed:.0%} of difference is allowed"
        )
    mean = fmean(_value(other) for other in known)
    if abs(_value(run) - mean) > max(SIGMAS * sigma, EXACT * abs(mean)):
        return (
            f"the best scores {rounded(_value(run))} there, {rounded(mean)} elsewhere, more than "
            f"{SIGMAS:g} sigma of {rounded(sigma)} apart"
        )
    return ""


def _value(run: Run) -> float:
    return run.score.value if run.score else float("nan")
