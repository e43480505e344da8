"""A pool of devices: runs are submitted to it, and are delivered when they are over."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autoresearch_kit.records import Clock, Run


@dataclass(frozen=True)
class DataRef:
    """A prepared data set, by name and by the digest of what was made of it."""

    name: str
    digest: str


@dataclass(frozen=True)
class Order:
    """A run to be carried out. It holds no path, so that another machine can carry it out.

    `key` names the run in its campaign: proposal, arm, index, attempt. `notebook` is the source to
    run; `kit` the digest of the package copy that runs and scores it. Times are in seconds, memory
    in MB of 1e6 bytes. `words` say which run it is, for whoever watches; empty for an idea's first.
    """

    key: str
    notebook: str
    seed: int
    dataset: DataRef
    kit: str
    clock: Clock
    train_seconds: float
    wall_seconds: float
    compile_seconds: float
    memory_mb: float
    gpu_memory_mb: float | None = None
    words: str = ""


@dataclass(frozen=True)
class Delivery:
    """A run that is over; its executed notebook and loss curve lie in `folder`, on this machine."""

    key: str
    run: Run
    folder: Path


class Pool(Protocol):
    """Devices that carry out runs. Used from one thread; `close()` ends what is under way."""

    def free(self) -> bool:
        """Return whether a run that is submitted now would begin now."""

    def submit(self, order: Order) -> Path:
        """Begin a run, or queue it; return the folder that its live files appear in.

        Raises:
            ExecutionError: the pool does not have the data set or the package of the order.
        """

    def wait(self, seconds: float) -> Sequence[Delivery]:
        """Return the runs that are over as soon as there is one; none after so many seconds.

        Raises:
            Cancelled: a run was cancelled.
            ExecutionError: a process of a run can't be killed.
        """

    def cancel(self, key: str) -> None:
        """Kill a run; `wait` then raises `Cancelled`."""

    def submit_audit(self, order: Order, delivery: Delivery) -> None:
        """Have the model of a run scored on the audit shard; it is delivered with that score.

        Where that can't be measured it is delivered as it was.
        """

    def close(self) -> None:
        """Kill whatever is under way, and wait until nothing of it is left."""
