"""The pool of this machine: one device, on which runs take turns with probes."""

import logging
import platform
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from pathlib import Path

from autoresearch_kit.errors import Cancelled, ExecutionError, in_words
from autoresearch_kit.execution import handover, launch
from autoresearch_kit.execution.device_queue import DeviceQueue
from autoresearch_kit.execution.launch import Waiting
from autoresearch_kit.execution.pool import DataRef, Delivery, Lost, Order
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import (
    Accelerator,
    Fingerprint,
    Run,
    RunSetup,
    RunSpec,
    SandboxLevel,
    Sight,
    Slot,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Site:
    """This machine's part of every run: the data set, the sandbox, the GPU.

    `kit` digests the package copy that runs and scores. `sight` is what runs see of this machine;
    `ahead`: there are cores to start the next run beside. Scores depend on `fingerprint`.
    """

    dataset: Path
    data: DataRef
    kit: str
    sandbox: SandboxLevel
    gpu: Accelerator | None
    sight: Sight
    ahead: bool
    fingerprint: Fingerprint


@dataclass
class _Submitted:
    """A run under way. Its thread ends soon after `cancelled` is set."""

    order: Order
    spec: RunSpec
    cancelled: threading.Event = field(default_factory=threading.Event)
    done: Future[Run] = field(default_factory=Future)

    def check(self) -> None:
        """Raise `Cancelled` if the run was cancelled."""
        if self.cancelled.is_set():
            raise Cancelled("stopped before the run began")


class LocalPool:
    """Carries out runs on this machine's device, in the order in which they are submitted.

    `runs` holds a folder for each run. The runner of the next run is started while a run trains or
    is scored, so that its imports are over when its turn comes.
    """

    def __init__(self, site: Site, workspace: Workspace, runs: Path) -> None:
        self._site = site
        self._workspace = workspace
        self._runs = runs
        self._name = "gpu0" if site.gpu else "cpu0"
        self.device = DeviceQueue()
        self._submitted: dict[str, _Submitted] = {}
        self._standby: Waiting | None = None

    def slots(self) -> Sequence[Slot]:
        """Return this machine's slot; it is busy until what it carried out was delivered."""
        first = next(iter(self._submitted.values()), None)
        busy, folder = (first.order.key, str(first.spec.folder)) if first else ("", "")
        site = self._site
        return [Slot(self._name, platform.node(), site.fingerprint, site.sandbox, busy, folder)]

    def submit(self, order: Order) -> None:
        """Begin a run, or queue it, as `Pool.submit` says."""
        if order.key in self._submitted:
            return
        if (order.dataset, order.kit) != (self._site.data, self._site.kit):
            raise ExecutionError(
                f"run {order.key} needs data set {order.dataset} and package {order.kit}; this "
                f"machine has {self._site.data} and {self._site.kit}"
            )
        if order.audits is not None:
            self._audit(order, order.audits)
            return
        waiting, self._standby = self._standby, None
        folder = waiting.setup.folder if waiting else new_folder(self._runs)
        (folder / handover.INPUT_FILE).write_text(order.notebook, encoding="utf-8")
        submitted = _Submitted(order, self.spec(order, folder))
        self._begin(
            submitted,
            lambda: launch.execute(
                submitted.spec,
                waiting,
                cancelled=submitted.cancelled.is_set,
                meanwhile=lambda: self._start_next(order),
            ),
        )

    def wait(self, seconds: float) -> Sequence[Delivery | Lost]:
        """Return the runs that are over, as `Pool.wait` says."""
        over, _ = wait([each.done for each in self._submitted.values()], seconds, FIRST_COMPLETED)
        ended = [each for each in self._submitted.values() if each.done in over]
        # those that raise come one by one, after those that are fine, of which none may be lost
        ended = [each for each in ended if not each.done.exception()] or ended[:1]
        for each in ended:
            del self._submitted[each.order.key]
        return [
            Delivery(
                each.order.key,
                replace(each.done.result(), slot=self._name),
                each.spec.folder,
                self._name,
            )
            for each in ended
            if not isinstance(each.done.exception(), Cancelled)
        ]

    def cancel(self, key: str) -> None:
        """Kill a run; it is not delivered."""
        if submitted := self._submitted.get(key):
            submitted.cancelled.set()

    def _audit(self, order: Order, delivery: Delivery) -> None:
        submitted = _Submitted(order, self.spec(order, delivery.folder))
        cancelled = submitted.cancelled.is_set
        self._begin(
            submitted, lambda: launch.audit(submitted.spec, delivery.run, cancelled=cancelled)
        )

    def close(self) -> None:
        """Kill what is under way, end the runner that waits, and remove its folder."""
        for each in self._submitted.values():
            each.cancelled.set()
        wait([each.done for each in self._submitted.values()])
        self._submitted.clear()
        waiting, self._standby = self._standby, None
        if waiting is not None:
            waiting.runner.end()
            try:
                remove_tree(waiting.setup.folder)
            except OSError as error:  # the next start removes it
                logger.warning("a folder of a run stays behind: %s", in_words(error))

    def spec(self, order: Order, folder: Path) -> RunSpec:
        """Return the whole description of a run, whose notebook lies in its folder."""
        return RunSpec(
            **vars(self._setup(order, folder, waits=False)),
            ahead=self._site.ahead,
            notebook=folder / handover.INPUT_FILE,
            compile_cache=self._workspace.compile_cache,
            seed=order.seed,
            train_seconds=order.train_seconds,
            wall_seconds=order.wall_seconds,
            compile_seconds=order.compile_seconds,
            memory_mb=order.memory_mb,
            gpu_memory_mb=order.gpu_memory_mb,
        )

    def _setup(self, order: Order, folder: Path, *, waits: bool) -> RunSetup:
        """Return the setup of a run of such orders; `waits`: its runner is started ahead."""
        site = self._site
        return RunSetup(
            run_id=self._workspace.run_id(folder),
            folder=folder,
            dataset=site.dataset,
            kit=self._workspace.kit,
            sandbox=site.sandbox,
            waits=waits,
            gpu=site.gpu,
            clock=order.clock,
            sight=site.sight,
        )

    def _begin(self, submitted: _Submitted, work: Callable[[], Run]) -> None:
        """Do the work in a thread, once the device is free; what it raises comes out of `wait`."""

        def carry_out() -> None:
            try:
                with self.device.held(submitted.check):
                    run = replace(work(), slot=self._name)
            except BaseException as error:  # noqa: BLE001 - `wait` raises it
                submitted.done.set_exception(error)
            else:
                submitted.done.set_result(run)

        self._submitted[submitted.order.key] = submitted
        threading.Thread(target=carry_out, name=submitted.order.key, daemon=True).start()

    def _start_next(self, order: Order) -> None:
        """Start the runner of the run after this one, whatever that will be."""
        setup = self._setup(order, new_folder(self._runs), waits=True)
        self._standby = launch.prepare(setup)


def new_folder(parent: Path, stem: str = "run") -> Path:
    """Make the folder PARENT/STEM-1, or the one after the last of these; return it."""
    there = [folder.name.rpartition("-")[2] for folder in parent.glob(f"{stem}-*")]
    last = max((int(number) for number in there if number.isdecimal()), default=0)
    folder = parent / f"{stem}-{last + 1}"
    folder.mkdir()
    return folder
