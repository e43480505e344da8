"""Describe the campaigns of a project, what each is doing, and what its slots are doing."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autoresearch_kit import ledger
from autoresearch_kit.errors import InputError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Request, SlotUse, Stage, State

TO_COME = {
    Request.STOP: ", stops after {}",
    Request.STOP_NOW: ", stops now",
    Request.PAUSE: ", pauses after {}",
}
"""Ends of a phrase for what a running campaign was asked and has not done yet; {} is under way."""


def words(state: State | None, running: bool, request: Request | None, now: float) -> str:
    """Return what a campaign in this state is doing; `now` is in seconds since the epoch."""
    if state is None:
        return "running" if running else "not run here"
    if running:
        paused = request is Request.PAUSE and state.stage is Stage.PAUSED
        message = f" ({state.message})" if state.message else ""
        to_come = TO_COME.get(request, "") if request and not paused else ""
        several = len(state.slots) > 1 and len(in_flight(state)) != 1
        to_come = to_come.format("them" if several else "it")
        seconds = max(0.0, now - state.heartbeat)  # a clock may be set back
        doing = f"{state.stage}, {_experiments(state)}{message}{to_come}"
        return f"{doing}, seen {seconds:.0f} s ago"
    return (
        f"died while {state.stage}" if dead(state, running) else f"{state.stage}: {state.message}"
    )


def _experiments(state: State) -> str:
    """Return which experiment is under way; with several slots, how many."""
    if len(state.slots) < 2:
        return f"experiment {state.number}"
    numbers = in_flight(state)
    if not numbers:
        return f"no experiment on {len(state.slots)} slots"
    busy = sum(use.number >= 0 for use in state.slots)
    counted = f"experiment {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} experiments"
    return f"{counted} on {busy} of {len(state.slots)} slots"


def under_way(state: State | None) -> str:
    """Return what a campaign that is asked to stop or to pause ends first."""
    number = len(in_flight(state))
    return f"the {number} experiments under way" if number > 1 else "this experiment"


def dead(state: State | None, running: bool) -> bool:
    """Return whether the campaign's process is gone without having said that it ended."""
    return state is not None and not running and state.stage not in (Stage.ENDED, Stage.FAILED)


def known_campaigns(root: Path) -> list[str]:
    """Return the campaigns of the project at `root` that git knows or that ran on this machine."""
    folders = (path.parent.name for path in (root / ".autoresearch").glob("*/state.json"))
    return sorted({*ledger.campaigns(root), *filter(ledger.is_tag, folders)})


def known(root: Path, tag: str) -> str:
    """Return the tag, if there is a campaign of that name.

    Raises:
        InputError: there is none; the message names the campaigns there are.
    """
    if ledger.valid_tag(tag) not in (campaigns := known_campaigns(root)):
        raise no_campaign(tag, campaigns)
    return tag


def no_campaign(tag: str, campaigns: Sequence[str]) -> InputError:
    """Return the error that there is no campaign of that name, but these."""
    there = ", ".join(campaigns) or "none yet"
    return InputError(f"no campaign '{tag}' in this project; there: {there}")


def in_short(root: Path, tag: str) -> str:
    """Return what a campaign is doing, in a word or two."""
    workspace = Workspace(root, tag)
    state, running = workspace.state(), workspace.running()
    if state is None:
        return "not run here"
    if dead(state, running):
        return "died"
    return f"{state.stage}, {_experiments(state)}" if running else str(state.stage)


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
