"""Copies and notices of a campaign, made by threads in the background.

They never delay the campaign and never end it: a failure is a line in the log.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Full, Queue

from autoresearch_kit.campaign import notify
from autoresearch_kit.campaign.backup import check_folder, copy_campaign
from autoresearch_kit.errors import BackupError, InputError, NotifyError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Destinations, Experiment

logger = logging.getLogger(__name__)

WEBHOOK = "AUTORESEARCH_WEBHOOK"
"""Environment variable that holds the address of notices, to keep it out of the arguments."""

COPY_PATIENCE, NOTICE_PATIENCE = 60.0, 10.0
"""Seconds that the end of a campaign waits for the last copy and the last notice."""


def settle_destinations(
    workspace: Workspace, copy_to: str | None = None, webhook: str | None = None
) -> Destinations:
    """Return where copies and notices go from now on: None keeps what was set, "" ends it.

    Raises:
        InputError: there is no such folder, or notices can't be sent to the address.
    """
    before = workspace.destinations()
    if copy_to:
        copy_to = str(check_folder(Path(copy_to)))
    if webhook:
        webhook = notify.check_address(webhook)
    return Destinations(
        before.copy_to if copy_to is None else copy_to,
        before.webhook if webhook is None else webhook,
    )


class CopiesAndNotices:
    """Copies a campaign and sends its notices; destinations.json is read anew each time."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._copies = _Worker("copies", waiting=1)
        self._notices = _Worker("notices", waiting=10)
        self._experiments: tuple[Experiment, ...] = ()
        self._last_message = ""

    def fallback_used(self, trouble: str) -> None:
        """Send the notice that the model can't be asked and optuna proposes in its place."""
        self._notify(self._destinations(), notify.fallback_notice(self._workspace.tag, trouble))

    def experiment_recorded(self, experiments: Sequence[Experiment]) -> None:
        """Copy, and tell of a plateau, after the last of these experiments was recorded in git."""
        self._experiments = tuple(experiments)
        destinations = self._destinations()
        if notice := notify.plateau_notice(experiments):
            self._notify(destinations, notice)
        # a copy that waits for its turn will hold this experiment too
        if destinations.copy_to and not self._copies.do(
            lambda: self._copy(Path(destinations.copy_to))
        ):
            self._log_once(f"the copy to {destinations.copy_to} takes long; is its disk there?")

    def approval_needed(self, experiment: Experiment) -> None:
        """Send the notice that a keep waits for a person's approval."""
        self._notify(self._destinations(), notify.approval_notice(experiment))

    def campaign_ended(self) -> None:
        """Send the notice that the campaign ended, and wait a little for what is under way."""
        state = self._workspace.state()
        if state is not None:
            self._notify(self._destinations(), notify.end_notice(state, self._experiments))
        if not self._notices.finish(NOTICE_PATIENCE):
            logger.warning("the last notice was not taken within %.0f s", NOTICE_PATIENCE)
        if not self._copies.finish(COPY_PATIENCE):
            late = "the last copy was not done within %.0f s; the next start goes on with it"
            logger.warning(late, COPY_PATIENCE)

    def _destinations(self) -> Destinations:
        try:
            return self._workspace.destinations()
        except (InputError, OSError) as error:
            logger.warning(
                "destinations.json can't be read, so nothing is copied or sent: %s", error
            )
            return Destinations()

    def _notify(self, destinations: Destinations, notice: str) -> None:
        logger.info("notice: %s", notice)
        if destinations.webhook:
            self._notices.do(lambda: self._post(destinations.webhook, notice))

    def _post(self, webhook: str, notice: str) -> None:
        try:
            notify.post(webhook, notice)
        except NotifyError as error:
            way_out = f"autoresearch notify {self._workspace.tag} --webhook URL"
            logger.warning("%s; check its address: %s", error, way_out)

    def _copy(self, folder: Path) -> None:
        try:
            copy_campaign(self._workspace, folder)
        except BackupError as error:
            self._log_once(f"{error}; the next experiment tries again")
        else:
            self._log_once(f"copied to {folder}; each experiment from now on copies again")

    def _log_once(self, message: str) -> None:
        """Log a message, unless the last one logged here was equal."""
        if message != self._last_message:
            logger.info("%s", message)
        self._last_message = message


class _Worker:
    """Does its work in turn, in a thread that does not keep the process alive."""

    def __init__(self, name: str, waiting: int) -> None:
        self._name = name
        self._todo: Queue[Callable[[], None]] = Queue(waiting)
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def do(self, work: Callable[[], None]) -> bool:
        """Queue work and return True, or False if too much is waiting already."""
        try:
            self._todo.put_nowait(work)
        except Full:
            return False
        return True

    def finish(self, seconds: float) -> bool:
        """Wait at most `seconds` until all is done; return False if it is not."""
        with self._todo.all_tasks_done:
            return self._todo.all_tasks_done.wait_for(
                lambda: not self._todo.unfinished_tasks, seconds
            )

    def _work(self) -> None:
        while True:
            work = self._todo.get()
            try:
                work()
            except Exception as error:  # noqa: BLE001 - and its message may hold a secret address
                logger.error("making %s failed: %s", self._name, type(error).__name__)
            finally:
                self._todo.task_done()
