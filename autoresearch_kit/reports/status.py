"""Describe the campaigns of a project, and what each is doing."""

from collections.abc import Sequence
from pathlib import Path

from autoresearch_kit import ledger
from autoresearch_kit.errors import InputError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Request, Stage, State
from autoresearch_kit.reports.slots import in_flight

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
