"""Short runs without a score: of a model's draft, and of what is kept, to profile its steps.

They have the sandbox and the bounds of any run. They have a device to themselves: they wait until
no run trains or is scored on one of them.
"""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial

from autoresearch_kit.campaign.context import Context
from autoresearch_kit.campaign.futures import complete
from autoresearch_kit.campaign.heartbeat import PAUSE_POLL_SECONDS
from autoresearch_kit.campaign.orders import order, seed_of
from autoresearch_kit.errors import Cancelled, ExecutionError, KitError, in_words
from autoresearch_kit.execution import handover, launch
from autoresearch_kit.execution.local import LocalPool, new_folder
from autoresearch_kit.execution.probed import Probed, read_probed
from autoresearch_kit.execution.runner.clock import wall_allowance
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Probe, Profiled, Request, Run
from autoresearch_kit.researchers.base import PROBE_SECONDS

logger = logging.getLogger(__name__)

PROFILE_SECONDS = 10.0  # the training budget of a run that is made for the profile of what was kept


class Probing:
    """Makes probes and profiles; `close()` ends a probe that is under way, and leaves nothing."""

    def __init__(self, context: Context, workspace: Workspace, pool: LocalPool | None) -> None:
        """`pool` is None where a cluster has the runs: nothing is probed then."""
        self._context = context
        self._workspace = workspace
        self._pool = pool
        self._closed = threading.Event()
        self._changed = threading.Condition()
        self._under_way = 0

    def probe(self, number: int, notebook: TrainNotebook) -> Probed:
        """Run a draft of experiment `number` as soon as a device is free; may wait long.

        Raises:
            Cancelled: the campaign ends.
            ExecutionError: the kit can't run it; the message says why.
        """
        with self._counted():
            return self._probe(number, notebook)

    def profile(self, number: int, notebook: TrainNotebook) -> Future[Profiled | None]:
        """Begin to profile a few training steps of what experiment `number` is kept for.

        The result is None, with a line in the log, where that fails: nothing depends on it.
        """
        future: Future[Profiled | None] = Future()
        work = partial(complete, future, partial(self._profile, number, notebook))
        threading.Thread(target=work, name="profile", daemon=True).start()
        return future

    def _profile(self, number: int, notebook: TrainNotebook) -> Profiled | None:
        try:
            with self._counted(), self._here().held(self._obey) as device:
                probed = self._run(number, notebook, PROFILE_SECONDS, device)
        except (KitError, OSError) as error:
            logger.warning("experiment %d: no profile of its steps: %s", number, in_words(error))
            return None
        run, steps = probed.run, probed.steps
        if steps is None or not steps.rows:
            why = run.detail or (steps.trouble if steps else "it left none")
            logger.warning("experiment %d: no profile of its steps: %s", number, why)
        return Profiled(run, steps)

    def made_for(self, number: int) -> tuple[Run, ...]:
        """Return the probes made while experiment `number` was proposed, in order."""
        probes = self._workspace.under_way.probes()
        return tuple(each.run for each in probes if each.number == number)

    def close(self) -> None:
        """End the probes that are under way, and wait until nothing of them is left."""
        self._closed.set()
        with self._changed:
            self._changed.wait_for(lambda: self._under_way == 0)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Make `close` wait for the enclosed work."""
        with self._changed:
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def _probe(self, number: int, notebook: TrainNotebook) -> Probed:
        while True:
            self._obey()
            while self._paused():
                self._obey()
                self._closed.wait(PAUSE_POLL_SECONDS)
            with self._here().held(self._obey) as device:
                if self._paused():  # since it stood in the queue
                    continue
                try:
                    probed = self._run(number, notebook, PROBE_SECONDS, device)
                    self._workspace.under_way.add_probe(Probe(number, probed.run))
                except OSError as error:
                    raise ExecutionError(in_words(error)) from error
                return probed

    def _run(self, number: int, notebook: TrainNotebook, seconds: float, device: str) -> Probed:
        settings, runs = self._context.settings, self._workspace.probe_runs
        runs.mkdir(exist_ok=True)
        folder = new_folder(runs, f"{number:04d}")
        try:
            relocked = notebook.relocked(self._context.baseline)
            (folder / handover.INPUT_FILE).write_text(relocked.text(), encoding="utf-8")
            # no run of the experiment has this seed, so that no draft can prepare for one
            seed = seed_of(f"{self._workspace.tag}/{number}/probe")
            wanted = order(self._context, folder.name, relocked, seed)
            seconds = min(seconds, settings.train_seconds)
            wall_seconds = wall_allowance(settings.clock, seconds, settings.compile_seconds)
            spec = replace(
                self._here().spec(wanted, folder, device),
                train_seconds=seconds,
                wall_seconds=min(wall_seconds, settings.wall_seconds),
                profiled=True,
            )
            run = launch.execute_unscored(spec, cancelled=self._cancelled)
            return read_probed(folder, replace(run, slot=device))
        finally:
            with suppress(OSError):
                remove_tree(folder)

    def _here(self) -> LocalPool:
        if self._pool is None:
            raise ExecutionError("no probes are made where a cluster has the runs; submit without")
        return self._pool

    def _cancelled(self) -> bool:
        return self._closed.is_set() or self._workspace.request() is Request.STOP_NOW

    def _obey(self) -> None:
        if self._cancelled():
            raise Cancelled("the campaign ends; nothing more is probed")

    def _paused(self) -> bool:
        return self._workspace.request() is Request.PAUSE
