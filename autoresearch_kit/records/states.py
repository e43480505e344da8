"""The state of a running campaign, what its slots do, and requests to it."""

from dataclasses import dataclass
from enum import StrEnum

from autoresearch_kit.records.fingerprints import Fingerprint
from autoresearch_kit.records.run_specs import SandboxLevel
from autoresearch_kit.records.settings import Limits


@dataclass(frozen=True)
class Slot:
    """A device that carries out one run at a time: a GPU, or some of a CPU's cores.

    `name` is `gpu0` or `cpu0`, on a cluster with its node's name before it: `node-2/gpu0`.
    `fingerprint` is what scores measured there depend on. `busy` is the key of the order that it
    carries out, empty while it has none; `folder` that run's folder, empty on another machine.
    `left_out` says why no orders are given to it; empty if they are. `waiting` says what the order
    waits for before it begins, such as another campaign's run on the same GPU; empty if it runs.
    """

    name: str
    node: str
    fingerprint: Fingerprint
    sandbox: SandboxLevel
    busy: str = ""
    folder: str = ""
    left_out: str = ""
    waiting: str = ""

    @property
    def free(self) -> bool:
        """Return whether an order that is submitted now may begin there now."""
        return not self.busy and not self.left_out


@dataclass(frozen=True)
class SlotUse:
    """A slot with the run that it has, and its use so far, in seconds since the process began.

    `number` and `idea` are of the experiment that it works for, `words` say which run of it. While
    it is free, `number` is -1. `since` is when that began, in seconds since the epoch. `training`,
    `busy` and `idle` exclude the time since then. `training` is the wall-clock of budgeted training
    in finished runs.
    """

    slot: Slot
    number: int = -1
    idea: str = ""
    words: str = ""
    since: float = 0.0
    runs: int = 0
    training: float = 0.0
    busy: float = 0.0
    idle: float = 0.0


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
