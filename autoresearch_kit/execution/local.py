"""The pool of this machine's devices, on which runs take turns with probes."""

import logging
import platform
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from autoresearch_kit.errors import Cancelled, ExecutionError, in_words
from autoresearch_kit.execution import handover, launch
from autoresearch_kit.execution.device_queue import DeviceQueue, Ticket
from autoresearch_kit.execution.devices import Device
from autoresearch_kit.execution.launch import WaitingRunner
from autoresearch_kit.execution.pool import DataRef, Delivery, Lost, Order
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.machine import device_locks
from autoresearch_kit.records import Run, RunSetup, RunSpec, SandboxLevel, Slot, VisibleFiles

logger = logging.getLogger(__name__)

TAKEN = "another campaign's run has this device; this one's is next"


@dataclass(frozen=True)
class Site:
    """This machine's part of every run, whatever its device: the data set, the sandbox.

    `kit` digests the package copy that runs and scores. `visible` is what runs see of this machine.
    """

    dataset: Path
    data: DataRef
    kit: str
    sandbox: SandboxLevel
    visible: VisibleFiles


@dataclass(eq=False)
class _Submitted:
    """An order in the queue, or under way. Its thread ends soon after `cancelled` is set.

    `folder` is the run's, once it has a device.
    """

    order: Order
    ticket: Ticket
    folder: Path | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    done: Future[Delivery] = field(default_factory=Future)

    def check(self) -> None:
        """Raise `Cancelled` if the run was cancelled."""
        if self.cancelled.is_set():
            raise Cancelled("stopped before the run began")

    @property
    def failed(self) -> bool:
        """Return whether it ended by an error; being cancelled is none."""
        return self.done.done() and not isinstance(self.done.exception(), Cancelled | None)


class LocalPool:
    """Carries out runs on this machine's devices, in the order in which they are submitted.

    `runs` holds a folder for each run. The runner of a device's next run is started while a run
    trains or is scored there, so that its imports are over when its turn comes.
    """

    def __init__(
        self, site: Site, devices: Sequence[Device], workspace: Workspace, runs: Path
    ) -> None:
        self._site = site
        self._devices = {device.name: device for device in devices}
        self._workspace = workspace
        self._runs = runs
        self._queue = DeviceQueue(tuple(self._devices))
        self._submitted: dict[str, _Submitted] = {}
        self._dropped: list[_Submitted] = []
        self._standby: dict[str, WaitingRunner] = {}
        self._taken = set[str]()

    def slots(self) -> Sequence[Slot]:
        """Return a slot for each device; it is busy until what it carried out was delivered."""
        return [self._slot(device) for device in self._devices.values()]

    def submit(self, order: Order) -> None:
        """Begin a run, or queue it, as `Pool.submit` says."""
        if order.key in self._submitted:
            return
        if (order.dataset, order.kit) != (self._site.data, self._site.kit):
            raise ExecutionError(
                f"run {order.key} needs data set {order.dataset} and package {order.kit}; this "
                f"machine has {self._site.data} and {self._site.kit}"
            )
        submitted = _Submitted(order, self._queue.ask(self._only(order)))
        try:
            if submitted.ticket.device:
                self._prepare(submitted)
        except OSError:
            self._queue.leave(submitted.ticket)
            raise
        self._submitted[order.key] = submitted
        argv = [submitted]
        threading.Thread(target=self._carry_out, args=argv, name=order.key, daemon=True).start()

    def wait(self, seconds: float) -> Sequence[Delivery | Lost]:
        """Return the runs that are over, as `Pool.wait` says."""
        under_way = [*self._dropped, *self._submitted.values()]
        if not under_way:
            time.sleep(seconds)
        over, _ = wait([each.done for each in under_way], seconds, FIRST_COMPLETED)
        ended = [each for each in under_way if each.done in over]
        # those that raise come one by one, after those that are fine, of which none may be lost
        ended = [each for each in ended if not each.failed] or ended[:1]
        for each in ended:
            self._forget(each)
        return [each.done.result() for each in ended if each.failed or not each.cancelled.is_set()]

    def cancel(self, key: str) -> None:
        """Kill a run, or take it out of the queue; it is not delivered, and its folder goes."""
        if submitted := self._submitted.pop(key, None):
            submitted.cancelled.set()
            self._dropped.append(submitted)

    def close(self) -> None:
        """Kill what is under way, end the runners that wait, and remove their folders."""
        under_way = [*self._dropped, *self._submitted.values()]
        for each in under_way:
            each.cancelled.set()
        wait([each.done for each in under_way])
        for each in under_way:
            self._forget(each)
        for waiting in self._standby.values():
            waiting.runner.end()
            remove_run(waiting.setup.folder)
        self._standby.clear()

    def held(self, poll: Callable[[], None]) -> AbstractContextManager[str]:
        """Hold a device alone, as soon as one is free; yields its name.

        `poll` is called about ten times a second until then; what that raises comes out here.
        """
        return self._held(self._queue.ask(), poll)

    def spec(self, order: Order, folder: Path, device: str) -> RunSpec:
        """Return the whole description of a run there, whose notebook lies in its folder."""
        return RunSpec(
            **vars(self._setup(order, folder, device, waits=False)),
            ahead=self._devices[device].ahead,
            notebook=folder / handover.INPUT_FILE,
            compile_cache=self._workspace.compile_cache / device,
            seed=order.seed,
            train_seconds=order.train_seconds,
            wall_seconds=order.wall_seconds,
            compile_seconds=order.compile_seconds,
            memory_mb=order.memory_mb,
            gpu_memory_mb=order.gpu_memory_mb,
        )

    def _setup(self, order: Order, folder: Path, device: str, *, waits: bool) -> RunSetup:
        """Return the setup of a run of such orders; `waits`: its runner is started ahead."""
        site = self._site
        return RunSetup(
            run_id=self._workspace.run_id(folder),
            folder=folder,
            dataset=site.dataset,
            kit=self._workspace.kit,
            sandbox=site.sandbox,
            waits=waits,
            gpu=self._devices[device].gpu,
            clock=order.clock,
            visible=site.visible,
            cores=self._devices[device].cores,
        )

    def _slot(self, device: Device) -> Slot:
        there = [
            each
            for each in (*self._dropped, *self._submitted.values())
            if each.ticket.device == device.name
        ]
        # one that is over keeps the slot busy until it is delivered, unless another has begun
        last = max(there, key=lambda each: not each.done.done(), default=None)
        return Slot(
            device.name,
            platform.node(),
            device.fingerprint,
            self._site.sandbox,
            last.order.key if last else "",
            str(last.folder) if last and last.folder else "",
            waiting=TAKEN if device.name in self._taken else "",
        )

    def _only(self, order: Order) -> str:
        """Return the one device that may carry the order out; empty for any."""
        if order.slot and order.slot not in self._devices:
            there = ", ".join(self._devices)
            raise ExecutionError(f"run {order.key} is to run on {order.slot}; there are {there}")
        measured_on = order.audits.slot if order.audits else ""
        return order.slot or (measured_on if measured_on in self._devices else "")

    def _carry_out(self, submitted: _Submitted) -> None:
        """Carry out an order as soon as a device is free; `wait` raises what this raises."""
        order = submitted.order
        try:
            with self._held(submitted.ticket, submitted.check) as device:
                folder = submitted.folder or self._prepare(submitted)
                spec = self.spec(order, folder, device)
                run = replace(self._run(submitted, spec), slot=device)
        except BaseException as error:  # noqa: BLE001 - `wait` raises it
            submitted.done.set_exception(error)
        else:
            submitted.done.set_result(Delivery(order.key, run, folder, device))

    @contextmanager
    def _held(self, ticket: Ticket, poll: Callable[[], None]) -> Iterator[str]:
        """Hold the ticket's device once it has one, and no other campaign computes there."""
        with self._queue.held(ticket, poll) as device:

            def waits() -> None:
                self._taken.add(device)
                poll()

            try:
                with device_locks.held(self._devices[device].lock_names, waits):
                    self._taken.discard(device)
                    yield device
            finally:
                self._taken.discard(device)

    def _prepare(self, submitted: _Submitted) -> Path:
        """Return the folder of the run: that of the waiting runner, else a new one."""
        order, waiting = submitted.order, self._standby.get(submitted.ticket.device)
        if order.audits is not None:
            submitted.folder = order.audits.folder
            return submitted.folder
        folder = waiting.setup.folder if waiting else new_folder(self._runs)
        submitted.folder = folder
        (folder / handover.INPUT_FILE).write_text(order.notebook, encoding="utf-8")
        return folder

    def _run(self, submitted: _Submitted, spec: RunSpec) -> Run:
        order, cancelled = submitted.order, submitted.cancelled.is_set
        if order.audits is not None:
            return launch.audit(spec, order.audits.run, cancelled=cancelled)
        device = submitted.ticket.device
        return launch.execute(
            spec,
            self._standby.pop(device, None),
            cancelled=cancelled,
            meanwhile=lambda: self._start_next(order, device),
        )

    def _start_next(self, order: Order, device: str) -> None:
        """Start a runner for the next run on this device, whatever run that will be."""
        setup = self._setup(order, new_folder(self._runs), device, waits=True)
        self._standby[device] = launch.prepare(setup)

    def _forget(self, submitted: _Submitted) -> None:
        """Forget an order that is over; remove the folder of a run that was cancelled by key."""
        if submitted not in self._dropped:
            self._submitted.pop(submitted.order.key)
            return
        self._dropped.remove(submitted)
        if submitted.folder and submitted.order.audits is None and not submitted.failed:
            remove_run(submitted.folder)


def new_folder(parent: Path, stem: str = "run") -> Path:
    """Make the folder PARENT/STEM-1, or the one after the last of these; return it."""
    while True:
        there = [folder.name.rpartition("-")[2] for folder in parent.glob(f"{stem}-*")]
        last = max((int(number) for number in there if number.isdecimal()), default=0)
        folder = parent / f"{stem}-{last + 1}"
        with suppress(FileExistsError):  # another thread was first
            folder.mkdir()
            return folder


def remove_run(folder: Path) -> None:
    """Remove the folder of a run that nobody asks for any more; log a line where that fails."""
    try:
        remove_tree(folder)
    except OSError as error:  # the next start removes it
        logger.warning("a folder of a run stays behind: %s", in_words(error))
