"""Ray's driver: an actor for each device of the cluster, and a thread that speaks with it.

One long-lived actor a device, never plain tasks: of an actor on a node that died Ray tells after a
minute at most, of a task only after seven (measured with Ray 2.60).
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import ray
import ray.cloudpickle
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from autoresearch_kit.execution.ray import actor as actor_module
from autoresearch_kit.execution.ray import joined, transfer
from autoresearch_kit.execution.ray.joined import Unreachable
from autoresearch_kit.execution.ray.messages import (
    RUN,
    STOPPED,
    BridgeBroken,
    Cancel,
    Connect,
    Delivered,
    Message,
    OrderCancelled,
    OrderFailed,
    Report,
    RunOrder,
    SlotGone,
    SlotUnusable,
    SlotUp,
)
from autoresearch_kit.execution.ray.transfer import SentFolder
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.records import Run, codec
from autoresearch_kit.records.text import one_line

PLACED_SECONDS = 20.0
"""Seconds after which a device whose actor did not start is taken to be lent to others."""

SCORING_SECONDS = 1800.0
"""Time after a run's own deadline, for its score, until its slot is taken to hang."""

DEATHS = 3
"""Deaths of a slot in a row, without a delivery in between, until its device is left alone."""

AGAIN_SECONDS = 1.0
"""Pause before another actor takes the place of one that died, times its deaths in a row."""

CLOSE_SECONDS = 25.0

IDLE_SECONDS = 3.0  # between looks whether the actor of a slot that has no order lives
HANG_SECONDS = 120.0  # seconds after which an actor that does not answer is taken to hang
WHY_LENGTH = 300  # characters of why something failed


@dataclass
class _Device:
    """A device of a node, by its number there, and the thread that has its slot."""

    node_id: str
    name: str
    node: str
    cpus: float
    gpu: bool
    waits: bool = True
    inbox: "queue.SimpleQueue[RunOrder]" = field(default_factory=queue.SimpleQueue)
    actor: ActorHandle | None = None
    carries: str = ""


class Cluster:
    """The devices of a Ray cluster. `say` takes the messages about them, from several threads.

    Raises:
        Unreachable: the cluster can't be joined.
    """

    def __init__(self, connect: Connect, address: str, say: Callable[[Message], None]) -> None:
        self._connect = connect
        self._say = say
        self._devices: dict[tuple[str, int], _Device] = {}
        self._alive: set[str] = set()
        self._kit = SentFolder(f"kit-{connect.kit_digest}", connect.kit_digest, connect.sizes[0])
        data = connect.node.data.name
        self._data = SentFolder(
            f"{data}-{connect.dataset_digest}", connect.dataset_digest, connect.sizes[1]
        )
        joined.join(address, self._give_up)
        for module in (actor_module, transfer):
            ray.cloudpickle.register_pickle_by_value(module)
        self._class = ray.remote(actor_module.SlotActor)

    def look(self) -> tuple[int, int]:
        """Look for nodes that came or went; return how many devices there are, and are coming."""
        nodes = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
        self._alive = set(nodes)
        for key in [key for key in self._devices if key[0] not in nodes]:
            del self._devices[key]  # its thread hears of that from Ray, and ends
        for node_id, node in nodes.items():
            for number, (kind, cpus) in enumerate(_devices_of(node["Resources"])):
                if (node_id, number) not in self._devices:
                    self._begin(node_id, number, kind, cpus, node)
        coming = sum(device.waits for device in self._devices.values())
        return len(self._devices), coming

    def give(self, given: RunOrder) -> None:
        """Have an order carried out; report `OrderFailed` if its slot is gone."""
        device = self._named(given.slot)
        if device is None or device.actor is None:
            self._say(OrderFailed(given.slot, given.order.key, "the slot is gone"))
        else:
            device.inbox.put(given)

    def cancel(self, asked: Cancel) -> None:
        """End an order that is carried out."""
        device = self._named(asked.slot)
        if device and device.actor is not None and device.carries == asked.key:
            device.actor.cancel.remote()

    def close(self) -> None:
        """End what is carried out on all slots, and leave the cluster."""
        actors = [device.actor for device in self._devices.values() if device.actor is not None]
        closing = [actor.close.remote() for actor in actors]
        if closing:
            ray.wait(closing, num_returns=len(closing), timeout=CLOSE_SECONDS)
        ray.shutdown()

    def _give_up(self, why: Unreachable) -> None:
        """End this process, whose main thread waits for Ray in vain."""
        self._say(BridgeBroken(str(why), again=why.again))
        os._exit(1)

    def _named(self, slot: str) -> _Device | None:
        return next((each for each in self._devices.values() if each.name == slot), None)

    def _begin(
        self, node_id: str, number: int, kind: str, cpus: float, node: dict[str, str]
    ) -> None:
        """Begin to use a new device."""
        host = node["NodeName"]
        taken = {each.node for key, each in self._devices.items() if key[0] != node_id}
        if host in taken:  # two Ray nodes on one machine
            host = f"{host}-{node_id[:4]}"
        device = _Device(node_id, f"{host}/{kind}{number}", host, cpus, kind == "gpu")
        self._devices[node_id, number] = device
        name = device.name
        threading.Thread(target=self._keep, args=[device], name=name, daemon=True).start()

    def _keep(self, device: _Device) -> None:
        """Keep an actor on the device, a new one after each death, until its node is gone."""
        deaths = 0
        while deaths < DEATHS and device.node_id in self._alive:
            try:
                self._live(device)
                return
            except _Died as died:
                deaths = deaths + 1 if not died.delivered else 1
                device.waits, device.actor = False, None
                self._say(SlotGone(device.name, died.why))
                time.sleep(AGAIN_SECONDS * deaths)
        if device.node_id in self._alive:
            why = f"its actor died {deaths} times in a row"
            self._say(SlotUnusable(device.name, device.node, why))

    def _live(self, device: _Device) -> None:
        """Serve the slot by one actor until that dies; return if the device can't be used."""
        delivered = False
        try:
            actor = self._start(device)
            try:
                report = self._open(device, actor)
            except RayTaskError as error:
                device.waits = False
                self._say(SlotUnusable(device.name, device.node, _why(error)))
                ray.kill(actor)
                return
            device.actor, device.waits = actor, False
            self._say(SlotUp(device.name, device.node, report))
            while True:
                try:
                    given = device.inbox.get(timeout=IDLE_SECONDS)
                except queue.Empty:
                    ray.get(actor.there.remote(), timeout=HANG_SECONDS)
                else:
                    delivered |= self._carry_out(device, actor, given)
        except GetTimeoutError as error:
            ray.kill(actor)
            raise _Died("it hangs", delivered=delivered) from error
        except RayError as error:
            raise _Died(_why(error), delivered=delivered) from error

    def _start(self, device: _Device) -> ActorHandle:
        """Return an actor on the device once that is not lent to others."""
        actor = self._class.options(
            num_cpus=device.cpus,
            num_gpus=int(device.gpu),
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=2,
            scheduling_strategy=NodeAffinitySchedulingStrategy(device.node_id, soft=False),
        ).remote()
        there = actor.there.remote()
        if not ray.wait([there], timeout=PLACED_SECONDS)[0]:
            device.waits = False
            why = "others of the cluster have it, or Ray does not start a process there; waiting"
            self._say(SlotUnusable(device.name, device.node, why))
        ray.get(there)
        return actor

    def _open(self, device: _Device, actor: ActorHandle) -> Report:
        """Send the slot's folders to its node, open the slot, and return its report."""
        connect = self._connect
        for sent, folder in ((self._kit, connect.kit), (self._data, connect.dataset)):
            if ray.get(actor.begin.remote(sent)):
                for some in transfer.pieces(folder):
                    ray.get(actor.take.remote(sent, some))
                ray.get(actor.end.remote(sent))
        setup = codec.compact(connect.node)
        report: bytes = ray.get(actor.open.remote(setup, self._kit, self._data, gpu=device.gpu))
        return codec.decode(Report, report)

    def _carry_out(self, device: _Device, actor: ActorHandle, given: RunOrder) -> bool:
        """Have an order carried out, and report its outcome; return True if it was delivered."""
        order, device.carries = given.order, given.order.key
        audits = order.audits and replace(order.audits, folder=Path(given.folder))
        encoded = codec.compact(replace(order, audits=audits))
        limit = order.wall_seconds + SCORING_SECONDS
        try:
            files: Mapping[str, bytes] = ray.get(
                actor.carry_out.remote(encoded, given.folder), timeout=limit
            )
        except RayTaskError as error:
            self._say(OrderFailed(device.name, order.key, _why(error)))
            return False
        finally:
            device.carries = ""
        if STOPPED in files:
            self._say(OrderCancelled(device.name, order.key))
            return False
        folder = self._connect.runs / given.folder
        for name in files.keys() - {RUN}:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomic(folder / name, files[name])
        run = replace(codec.decode(Run, files[RUN]), slot=device.name)
        self._say(Delivered(device.name, order.key, run))
        return True


class _Died(Exception):  # noqa: N818 - an actor did
    """An actor died, or its node did; `delivered`: it had delivered something."""

    def __init__(self, why: str, *, delivered: bool) -> None:
        super().__init__(why)
        self.why = why
        self.delivered = delivered


def _devices_of(resources: dict[str, float]) -> list[tuple[str, float]]:
    """Return the devices of a node by its resources: the kind of each, and its cores."""
    gpus, cpus = int(resources.get("GPU", 0)), resources.get("CPU", 0.0)
    if gpus:
        return [("gpu", cpus // gpus)] * gpus
    return [("cpu", cpus)] if cpus else []


def _why(error: RayError) -> str:
    """Return in a line why something failed on a node, without Ray's account of it."""
    if isinstance(error, RayTaskError):
        cause = error.cause
        said = str(cause) if isinstance(cause, Exception) else str(error).strip().splitlines()[-1]
        return one_line(said or type(cause).__name__, WHY_LENGTH)
    return "its node died" if "node has died" in str(error) else "its process died"
