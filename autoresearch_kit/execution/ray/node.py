"""A slot on its node, out of the package that was brought there.

Orders are carried out by a `LocalPool` of one device, with this machine's sandbox, deadlines and
killing. Runs have their folders in a place of the slot's own, so that their ids follow from it:
who takes a place first ends what an earlier life left there.
"""

import fcntl
import os
import platform
import shutil
import threading
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from autoresearch_kit.errors import KitError
from autoresearch_kit.execution import handover, launch, machine_probe
from autoresearch_kit.execution.devices import Device
from autoresearch_kit.execution.local import LocalPool, Site
from autoresearch_kit.execution.pool import Delivery, Lost, Order
from autoresearch_kit.execution.ray.messages import RUN, STOPPED, NodeSetup, Report
from autoresearch_kit.execution.sandbox import bubblewrap, leak
from autoresearch_kit.execution.sandbox.visible_files import find_visible_files
from autoresearch_kit.files import kit_copy
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.files.untrusted import read_if_plain
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Leak, Reason, Run, SandboxLevel, VisibleFiles, codec
from autoresearch_kit.tasks.kinds import kind_of, read_info
from autoresearch_kit.tasks.measured import layout
from autoresearch_kit.verdicts.comparable import fingerprint

KEPT_RUNS = 8  # the last runs of a slot whose models stay there, for audits

LEAST_FREE_MB = 500.0
"""With less of its disk free, a run that fails for the kit's reasons fails for the node's."""

POLL_SECONDS = 0.2

PLACES = "places"


class NodeSlot:
    """Carries out one order at a time on a device of this node.

    Records come and go as JSON, since the package of the actor that asks may be another one.
    """

    def __init__(self, pool: LocalPool, report: Report, place: "Place") -> None:
        self._pool = pool
        self._report = report
        self._place = place
        self._kept = OrderedDict[str, Path]()
        self._cancelled = threading.Event()
        self._closed = threading.Event()
        self._carries = threading.Lock()

    @property
    def report(self) -> bytes:
        """Return the `Report` of what the slot is."""
        return codec.compact(self._report)

    def carry_out(self, order: bytes, folder: str) -> Mapping[str, bytes]:
        """Carry out an order, which is to be delivered to the asker's folder of this name.

        Returns the run by `RUN`, and its files by their names in its folder; `STOPPED` where it was
        cancelled.

        Raises:
            KitError: the node can't go on: its disk is full, or a process can't be killed.
        """
        with self._carries:
            self._cancelled.clear()
            wanted = codec.decode(Order, order)
            if wanted.audits is not None:
                here = self._kept.get(folder)
                if here is None:  # an earlier life of this slot had it
                    return {RUN: codec.compact(wanted.audits.run)}
                wanted = replace(wanted, audits=replace(wanted.audits, folder=here))
            delivery = self._wait_for(replace(wanted, slot=""))
            if delivery is None:
                return {STOPPED: b""}
            self._check_disk(delivery.run)
            if wanted.audits is not None:
                return {RUN: codec.compact(delivery.run)}
            self._keep(folder, delivery.folder)
            return {RUN: codec.compact(delivery.run), **_files(delivery.folder)}

    def cancel(self) -> None:
        """End what is carried out, from another thread."""
        self._cancelled.set()

    def close(self) -> None:
        """End what is carried out, and wait until nothing of it is left; the slot is over."""
        self._closed.set()
        with self._carries:
            self._pool.close()
            self._place.leave()

    def _wait_for(self, order: Order) -> Delivery | None:
        """Make the pool carry out the order; None if it was cancelled."""
        self._pool.submit(order)
        while True:
            for over in self._pool.wait(POLL_SECONDS):
                if isinstance(over, Lost):
                    raise KitError(over.why)
                return over
            if self._cancelled.is_set() or self._closed.is_set():
                self._pool.cancel(order.key)
                while any(slot.busy for slot in self._pool.slots()):
                    self._pool.wait(POLL_SECONDS)
                return None

    def _check_disk(self, run: Run) -> None:
        free = shutil.disk_usage(self._place.folder).free / MEGABYTE
        if run.failure in (Reason.KIT_FAILED, Reason.OUT_OF_DISK) and free < LEAST_FREE_MB:
            raise KitError(f"its disk is full: {free:,.0f} MB free at {self._place.folder}")

    def _keep(self, name: str, folder: Path) -> None:
        """Keep a run's folder for audits, and remove the oldest that is too many."""
        self._kept[name] = folder
        while len(self._kept) > KEPT_RUNS:
            with suppress(OSError):
                remove_tree(self._kept.popitem(last=False)[1])


class Place:
    """A folder of a slot's own on this machine, locked as long as this process lives."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._lock = lock

    def leave(self) -> None:
        """Release the place."""
        os.close(self._lock)


def open_slot(setup: bytes, cache: Path, kit: Path, dataset: Path, *, gpu: bool) -> NodeSlot:
    """Open a slot on this node, with the kit and the data set that were brought.

    Raises:
        KitError: it can't be used; the message says why.
    """
    node_setup = codec.decode(NodeSetup, setup)
    machine, level = machine_probe.probe(), bubblewrap.level()
    if gpu and machine.gpu is None:
        why = f" ({machine.no_gpu})" if machine.no_gpu else ""
        raise KitError(f"Ray lent a GPU here, but torch sees none{why}")
    machine_probe.check_inside(machine, level)
    make_parts(dataset)
    info = read_info(dataset)
    visible = find_visible_files(info, node_setup.corpus, node_setup.imports)
    found = _check_leak(dataset, visible, level)
    here = fingerprint(info, machine, kind_of(info).scoring_version, node_setup.clock)
    place = take_place(cache, node_setup.campaign)
    workspace = Workspace(place.folder, node_setup.tag)
    _clear(workspace, kit)
    site = Site(dataset, node_setup.data, kit_copy.digest(kit), level, visible)
    device = Device("gpu0" if machine.gpu else "cpu0", machine, here)
    pool = LocalPool(site, [device], workspace, workspace.runs)
    return NodeSlot(pool, Report(machine, here, level, found), place)


def take_place(cache: Path, campaign: str) -> Place:
    """Return the campaign's first folder on this machine that no living process uses."""
    number = 0
    while True:
        folder = cache / PLACES / platform.node() / f"{campaign}-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            number += 1
        else:
            return Place(folder, lock)


def _clear(workspace: Workspace, kit: Path) -> None:
    """End and remove what an earlier life left in the workspace, and have it use this kit."""
    workspace.create()
    for folder in sorted(workspace.runs.iterdir()):
        launch.end_run(workspace.run_id(folder))
        remove_tree(folder)
    workspace.kit.unlink(missing_ok=True)
    workspace.kit.symlink_to(kit)


def make_parts(prepared: Path) -> None:
    """Make the parts of a task that no file came for: only files travel to a node."""
    if layout.is_task(prepared):
        for part in (layout.DATA_FOLDER, layout.HIDDEN_FOLDER):
            (prepared / part).mkdir(exist_ok=True)


def _check_leak(dataset: Path, visible: VisibleFiles, level: SandboxLevel) -> Leak | None:
    """Measure how much scored text runs can read here; None without a sandbox: all of it."""
    if level is SandboxLevel.NONE:
        return None
    found = leak.find_leak(dataset, visible)
    info = read_info(dataset)
    if found.share > leak.most_leak(info):
        raise KitError(leak.too_much(found, info))
    return found


def _files(folder: Path) -> dict[str, bytes]:
    """Return the executed notebook of a run, and its loss curve, if that is a plain file."""
    metrics = f"{handover.WORK_FOLDER}/{handover.METRICS_FILE}"
    files = {handover.EXECUTED_FILE: (folder / handover.EXECUTED_FILE).read_bytes()}
    if lines := read_if_plain(folder / metrics, handover.METRICS_BYTES):
        files[metrics] = lines
    return files
