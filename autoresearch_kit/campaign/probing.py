"""Short runs without a score: of a model's draft, and of what is kept, for a profile of its steps.

They have the sandbox and the bounds of any run, and the device to themselves: never while a run is
trained or scored on it.
"""

import hashlib
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from autoresearch_kit.campaign.context import Context
from autoresearch_kit.campaign.measuring import order
from autoresearch_kit.errors import Cancelled, ExecutionError, KitError, in_words
from autoresearch_kit.execution import handover, launch
from autoresearch_kit.execution.local import LocalPool, new_folder
from autoresearch_kit.execution.probed import Probed, read_probed
from autoresearch_kit.execution.runner.clock import wall_allowance
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Probe, Profiled, Request, Run, RunSpec
from autoresearch_kit.researchers.base import PROBE_SECONDS

logger = logging.getLogger(__name__)

PROFILE_SECONDS = 10.0
"""The training budget of a run that is made for the profile of what was kept."""

PAUSE_POLL_SECONDS = 0.2


class Probing:
    """Makes probes and profiles; `close()` ends a probe that is under way, and leaves nothing."""

    def __init__(self, context: Context, workspace: Workspace, pool: LocalPool) -> None:
        self._context = context
        self._workspace = workspace
        self._site = pool.site
        self._device = pool.device
        self._closed = threading.Event()

    def probe(self, number: int, notebook: TrainNotebook) -> Probed:
        """Run a draft of experiment `number` as soon as the device is free; may wait long.

        Raises:
            Cancelled: the campaign ends.
            ExecutionError: the kit can't run it; the message says why.
        """
        while True:
            self._wait_while_paused()
            with self._device.held(self._obey):
                if not self._paused():
                    return self._probe(number, notebook)

    def profile(
        self, number: int, notebook: TrainNotebook, cancelled: Callable[[], bool]
    ) -> Profiled | None:
        """Profile a few training steps of what experiment `number` is kept for.

        None, and a line in the log, where that fails: nothing depends on it.
        """

        def poll() -> None:
            if cancelled():
                raise Cancelled("stopped")

        try:
            with self._device.held(poll):
                found = self._run(number, notebook, PROFILE_SECONDS, cancelled)
        except (KitError, OSError) as error:
            logger.warning("experiment %d: no profile of its steps: %s", number, in_words(error))
            return None
        why = found.run.detail or (found.steps.trouble if found.steps else "it left none")
        if found.steps is None or not found.steps.rows:
            logger.warning("experiment %d: no profile of its steps: %s", number, why)
        return Profiled(found.run, found.steps)

    def made_for(self, number: int) -> tuple[Run, ...]:
        """Return the probes made while experiment `number` was proposed, in order."""
        return tuple(each.run for each in self._workspace.probes() if each.number == number)

    def close(self) -> None:
        """End the probe that is under way, if one is, and wait until nothing of it is left."""
        self._closed.set()
        with self._device.held():
            return

    def _probe(self, number: int, notebook: TrainNotebook) -> Probed:
        try:
            found = self._run(number, notebook, PROBE_SECONDS, self._cancelled)
            self._workspace.add_probe(Probe(number, found.run))
        except OSError as error:
            raise ExecutionError(in_words(error)) from error
        return found

    def _run(
        self, number: int, notebook: TrainNotebook, seconds: float, cancelled: Callable[[], bool]
    ) -> Probed:
        place = self._workspace.probe_runs
        place.mkdir(exist_ok=True)
        folder = new_folder(place, f"{number:04d}")
        try:
            relocked = notebook.relocked(self._context.baseline)
            (folder / handover.INPUT_FILE).write_text(relocked.text(), encoding="utf-8")
            spec = self._spec(relocked, folder, number, seconds)
            run = launch.execute_unscored(spec, cancelled=cancelled)
            return read_probed(folder, run)
        finally:
            with suppress(OSError):
                remove_tree(folder)

    def _spec(self, notebook: TrainNotebook, folder: Path, number: int, seconds: float) -> RunSpec:
        settings = self._context.settings
        seconds = min(seconds, settings.train_seconds)
        wall_seconds = wall_allowance(settings.clock, seconds, settings.compile_seconds)
        seed = _seed(self._workspace.tag, number)
        wanted = order(self._context, folder.name, notebook, seed)
        return replace(
            self._site.spec(wanted, folder),
            train_seconds=seconds,
            wall_seconds=min(wall_seconds, settings.wall_seconds),
            profiled=True,
        )

    def _cancelled(self) -> bool:
        return self._closed.is_set() or self._workspace.request() is Request.STOP_NOW

    def _obey(self) -> None:
        if self._cancelled():
            raise Cancelled("the campaign ends; nothing more is probed")

    def _paused(self) -> bool:
        return self._workspace.request() is Request.PAUSE

    def _wait_while_paused(self) -> None:
        self._obey()
        while self._paused():
            self._obey()
            self._closed.wait(PAUSE_POLL_SECONDS)


def _seed(tag: str, number: int) -> int:
    """Return a seed that no run of the experiment has, so that no draft can prepare for it."""
    return int.from_bytes(hashlib.sha256(f"{tag}/{number}/probe".encode()).digest()[:4])
