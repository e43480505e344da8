"""Which campaigns a project has, and what each is doing, in words."""

from pathlib import Path

from autoresearch_kit import ledger
from autoresearch_kit.errors import InputError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Request, Stage, State

TO_COME = {
    Request.STOP: ", stops after it",
    Request.STOP_NOW: ", stops now",
    Request.PAUSE: ", pauses after it",
}
"""Ends of a phrase for what a running campaign was asked and has not done yet."""


def words(state: State | None, running: bool, request: Request | None, now: float) -> str:
    """Return what a campaign in this state is doing; `now` is in seconds since the epoch."""
    if state is None:
        return "running" if running else "not run here"
    if running:
        paused = request is Request.PAUSE and state.stage is Stage.PAUSED
        message = f" ({state.message})" if state.message else ""
        to_come = TO_COME.get(request, "") if request and not paused else ""
        seconds = max(0.0, now - state.heartbeat)  # a clock may be set back
        doing = f"{state.stage}, experiment {state.number}{message}{to_come}"
        return f"{doing}, seen {seconds:.0f} s ago"
    return (
        f"died while {state.stage}" if dead(state, running) else f"{state.stage}: {state.message}"
    )


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
    if ledger.valid_tag(tag) not in known_campaigns(root):
        there = ", ".join(known_campaigns(root)) or "none yet"
        raise InputError(f"no campaign '{tag}' in this project; there: {there}")
    return tag


def in_short(root: Path, tag: str) -> str:
    """Return what a campaign is doing, in a word or two."""
    workspace = Workspace(root, tag)
    state, running = workspace.state(), workspace.running()
    if state is None:
        return "not run here"
    if dead(state, running):
        return "died"
    return f"{state.stage}, experiment {state.number}" if running else str(state.stage)
