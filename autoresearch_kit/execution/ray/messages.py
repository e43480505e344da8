"""Messages between the campaign's process and the bridge: a line each, its kind before its JSON."""

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from autoresearch_kit.errors import InputError
from autoresearch_kit.execution.pool import DataRef, Order
from autoresearch_kit.records import Clock, Fingerprint, Leak, Machine, Run, SandboxLevel, codec

RUN = "run"  # the name of the `Run` among a delivery's files on their way
STOPPED = "stopped"  # the name in its place where the order was cancelled


@dataclass(frozen=True)
class NodeSetup:
    """Describe a campaign to a node: `campaign` is a name that no other has, `tag` its tag.

    `imports` are top-level modules that its notebook imports, `corpus` is what the data set was
    prepared from.
    """

    campaign: str
    tag: str
    data: DataRef
    corpus: str
    clock: Clock
    imports: tuple[str, ...]


@dataclass(frozen=True)
class Connect:
    """Ask the bridge, first of all, to join a cluster.

    `address` is the cluster's (`ray`: this machine's; `auto`: one of its own). `kit`, `dataset` and
    `runs` are folders on this machine: the package's copy, the data set, and deliveries. The
    digests are of the first two, and `sizes` their bytes.
    """

    address: str
    kit: Path
    kit_digest: str
    dataset: Path
    dataset_digest: str
    sizes: tuple[int, int]
    runs: Path
    node: NodeSetup


@dataclass(frozen=True)
class RunOrder:
    """Ask the bridge to carry out an order on a slot, and to deliver to the folder of this name."""

    slot: str
    order: Order
    folder: str


@dataclass(frozen=True)
class Cancel:
    """Ask the bridge to end an order."""

    slot: str
    key: str


@dataclass(frozen=True)
class Report:
    """A node's report of a slot; `leak` is None without a sandbox."""

    machine: Machine
    fingerprint: Fingerprint
    sandbox: SandboxLevel
    leak: Leak | None = None


@dataclass(frozen=True)
class SlotUp:
    """From the bridge: a slot can be used."""

    slot: str
    node: str
    report: Report


@dataclass(frozen=True)
class SlotUnusable:
    """From the bridge: a device can't be used, or not yet; why is for people."""

    slot: str
    node: str
    why: str


@dataclass(frozen=True)
class SlotGone:
    """From the bridge: a slot was lost."""

    slot: str
    why: str


@dataclass(frozen=True)
class DevicesKnown:
    """From the bridge: how many devices the cluster has, and how many still start."""

    devices: int
    coming: int


@dataclass(frozen=True)
class Delivered:
    """From the bridge: an order is over; its files lie in the folder that was given."""

    slot: str
    key: str
    run: Run


@dataclass(frozen=True)
class OrderFailed:
    """From the bridge: an order can't be carried out there; the slot takes no others."""

    slot: str
    key: str
    why: str


@dataclass(frozen=True)
class OrderCancelled:
    """From the bridge: an order that was cancelled has ended; the slot is free."""

    slot: str
    key: str


@dataclass(frozen=True)
class BridgeBroken:
    """From the bridge, last: it can't go on; `again`: it may help to start it again later."""

    why: str
    again: bool


Message = (
    Connect
    | RunOrder
    | Cancel
    | SlotUp
    | SlotUnusable
    | SlotGone
    | DevicesKnown
    | Delivered
    | OrderFailed
    | OrderCancelled
    | BridgeBroken
)

_KINDS: dict[str, type[Message]] = {kind.__name__: kind for kind in get_args(Message)}


def to_line(message: Message) -> bytes:
    """Return a message as a line, with its line break."""
    return type(message).__name__.encode() + b" " + codec.compact(message) + b"\n"


def from_line(line: bytes) -> Message:
    """Return the message in a line; InputError if it is none."""
    name, _, data = line.partition(b" ")
    kind = _KINDS.get(name.decode(errors="replace"))
    if kind is None:
        raise InputError(f"not a message: {line[:100]!r}")
    return codec.decode(kind, data)
