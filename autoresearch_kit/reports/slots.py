"""The slots of a running campaign in words, from the state that its process writes."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch_kit.records import SlotUse, State


@dataclass(frozen=True)
class SlotLine:
    """Describe a slot in words: its run, for how long, its share of training, its idle time.

    What is not known is empty.
    """

    slot: str
    doing: str
    lasts: str
    training: str
    idle: str


def in_flight(state: State | None) -> list[int]:
    """Return the numbers of the experiments that slots work for."""
    return sorted({use.number for use in state.slots if use.number >= 0}) if state else []


def slot_lines(uses: Sequence[SlotUse], now: float) -> list[SlotLine]:
    """Return a line for each slot: those left out, then idle ones, then those that run something.

    `now` is in seconds since the epoch.
    """
    return [_line(use, now) for use in sorted(uses, key=_urgency)]


def slots_in_short(uses: Sequence[SlotUse], now: float) -> str:
    """Return in one line what the slots do, and their use since the process began."""
    idle = sum(idle_seconds(use, now) for use in uses)
    known = sum(use.busy for use in uses) + idle
    share = (
        f"trained {sum(use.training for use in uses) / known:.1%} of the time, " if known else ""
    )
    use_of_all = f"{share}idle {idle:,.0f} s"
    if len(uses) == 1:
        return f"{_name(uses[0])}: {use_of_all}"
    left_out = sum(bool(use.slot.left_out) for use in uses)
    running = sum(_runs(use) for use in uses)
    counts = {"running": running, "idle": len(uses) - running - left_out, "left out": left_out}
    words = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
    return f"{len(uses)} slots: {words}; {use_of_all}"


def idle_seconds(use: SlotUse, now: float) -> float:
    """Return how long a slot that is not left out had nothing to run, until now."""
    waits = use.since and not _runs(use) and not use.slot.left_out
    return use.idle + (max(0.0, now - use.since) if waits else 0.0)


def _line(use: SlotUse, now: float) -> SlotLine:
    idle = idle_seconds(use, now)
    known = use.busy + idle
    return SlotLine(
        slot=_name(use),
        doing=_doing(use),
        lasts=f"{max(0.0, now - use.since):,.0f} s" if use.since else "",
        training=f"{use.training / known:.1%}" if known else "",
        idle=f"{idle:,.0f} s",
    )


def _doing(use: SlotUse) -> str:
    if use.slot.left_out and not _runs(use):
        return f"left out: {use.slot.left_out}"
    if not _runs(use):
        return "idle"
    which = f", {use.words}" if use.words else ""
    waits = f"; waits: {use.slot.waiting}" if use.slot.waiting else ""
    return f"{use.number}{which}: {use.idea}{waits}"


def _name(use: SlotUse) -> str:
    """Return the slot's name, and its node where that is another machine that it doesn't name."""
    name, node = use.slot.name, use.slot.node
    return name if "/" in name or node == platform.node() else f"{name} on {node}"


def _runs(use: SlotUse) -> bool:
    return use.number >= 0


def _urgency(use: SlotUse) -> tuple[bool, bool, int]:
    return not use.slot.left_out, _runs(use), use.number
