"""A pool of devices: runs are submitted to it, and are delivered when they are over, or lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autoresearch_kit.records import Clock, Run, Slot


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
    `slot` names the only slot that may carry it out; empty for any. `audits` is a delivered run
    whose model is to be scored on the audit shard; None for a run of the notebook.
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
    slot: str = ""
    audits: "Delivery | None" = None


@dataclass(frozen=True)
class Delivery:
    """A run that is over; its executed notebook and loss curve lie in `folder`, on this machine.

    `slot` names the slot that carried it out.
    """

    key: str
    run: Run
    folder: Path
    slot: str


@dataclass(frozen=True)
class Lost:
    """An order that will never be delivered, since its slot is gone; `why` is for people.

    That is no verdict on anything: the same key may be submitted again, to run elsewhere.
    """

    key: str
    slot: str
    why: str


class Pool(Protocol):
    """Devices that carry out runs. Used from one thread; `close()` ends what is under way."""

    def slots(self) -> Sequence[Slot]:
        """Return the slots that there are now, with what each carries out; quick."""

    def submit(self, order: Order) -> None:
        """Begin a run on a free slot, or queue it. The same key twice is once.

        An audit goes to the slot that has the model; where it can't be measured, the run is
        delivered as it was.

        Raises:
            ExecutionError: the pool does not have the data set or the package of the order.
        """

    def wait(self, seconds: float) -> Sequence[Delivery | Lost]:
        """Return deliveries and losses as soon as there are any; an empty list after `seconds`.

        Raises:
            ExecutionError: a process of a run can't be killed.
        """

    def cancel(self, key: str) -> None:
        """Kill a run, or take it out of the queue; it is not delivered."""

    def close(self) -> None:
        """Kill whatever is under way, and wait until nothing of it is left."""
