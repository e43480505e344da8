"""The state of a running campaign, and requests to it."""

from dataclasses import dataclass
from enum import StrEnum

from autoresearch_kit.records.settings import Limits
from autoresearch_kit.records.slots import SlotUse


class Stage(StrEnum):
    """The stage that a campaign is in."""

    STARTING = "starting"
    PROPOSING = "proposing"
    RUNNING = "running"
    WAITING = "waiting"
    RECORDING = "recording"
    PAUSED = "paused"
    ENDED = "ended"
    FAILED = "failed"


class Request(StrEnum):
    """Requests of a person to a running campaign."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    STOP_NOW = "stop now"


class Command(StrEnum):
    """The command that a campaign's process carries out."""

    RUN = "run"
    CONFIRM = "confirm"


@dataclass(frozen=True)
class State:
    """The state that a campaign's process writes of itself. Times are seconds since the epoch.

    `number`, `idea` and `run_folder` are of the experiment that was begun last; `slots` say what
    each device does.
    """

    tag: str
    pid: int
    stage: Stage
    message: str
    number: int
    idea: str
    run_folder: str
    limits: Limits
    started: float
    heartbeat: float
    command: Command = Command.RUN
    slots: tuple[SlotUse, ...] = ()
